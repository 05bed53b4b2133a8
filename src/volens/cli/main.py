"""The program ``volens``: finds the command, loads only its module, and maps errors to exit codes.

0 done   2 not understood, or not there   3 denied   4 does not verify   5 can't be had now
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from volens import __version__
from volens.cli.commands import HomeOption, JsonOption, PlainOption, Session
from volens.cli.failures import INTERRUPTED, UNAVAILABLE, USAGE, failure_of

_USAGE_ERROR: Any = typer.BadParameter.__mro__[1]  # typer has no public name for the base
_EPILOG = "Start with: volens demo. Every command has its own --help."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One line of the list of commands: what it is called, where it lives, what it does."""

    module: str
    text: str
    group: bool = False


COMMANDS = {
    "demo": _Entry(module="demo", text="A guided tour on real dialogues, in a throw-away home."),
    "init": _Entry(module="init", text="Make a home."),
    "import": _Entry(module="importing", text="Take in exports of other products."),
    "subject": _Entry(module="subject", text="The people whose data is here.", group=True),
    "organisation": _Entry(
        module="organisation", text="What organisations have instructed.", group=True
    ),
    "account": _Entry(module="account", text="With what people sign in.", group=True),
    "staff": _Entry(module="staff", text="Who works here, in which roles, until when.", group=True),
    "token": _Entry(module="token", text="With what programs prove who they are.", group=True),
    "conversation": _Entry(
        module="conversation", text="List, show or leave out conversations.", group=True
    ),
    "consent": _Entry(
        module="consent", text="Who said yes to what; grant and withdraw.", group=True
    ),
    "rights": _Entry(
        module="rights", text="What people ask for under the law, and by when.", group=True
    ),
    "erase": _Entry(module="erase", text="Erase chats or an account.", group=True),
    "hold": _Entry(module="hold", text="What is kept from being erased, and why.", group=True),
    "receipt": _Entry(
        module="receipt", text="Erasures: how far each has come, with proof.", group=True
    ),
    "retention": _Entry(
        module="retention", text="What goes when, and the run that lets it go.", group=True
    ),
    "ask": _Entry(module="ask", text="May this be used, and why or why not?"),
    "build": _Entry(module="build", text="Build a dataset of what may be used."),
    "revise": _Entry(
        module="revise", text="Build a dataset anew, without what may not be used any more."
    ),
    "prove": _Entry(module="prove", text="Prove that a chat is, or is not, in a dataset."),
    "train": _Entry(module="train", text="Train an adapter on a sealed dataset of the willing."),
    "unlearn": _Entry(module="unlearn", text="Make a model forget exactly, and prove it."),
    "impact": _Entry(
        module="impact", text="Models that used what may not be used any more.", group=True
    ),
    "model": _Entry(module="model", text="What was trained, and may be put to use.", group=True),
    "principles": _Entry(
        module="principles",
        text="Training data from written principles, without chats.",
        group=True,
    ),
    "represent": _Entry(
        module="represent", text="Who may be used beside everybody, and what would fill gaps."
    ),
    "export": _Entry(module="export", text="Give a person a copy of all their data, in one file."),
    "report": _Entry(module="report", text="Report a reply or a chat, for its person."),
    "flag": _Entry(module="flag", text="What safety classifiers flagged.", group=True),
    "case": _Entry(
        module="case", text="Exceptions: who may look at which turns, and why.", group=True
    ),
    "reports": _Entry(module="reports", text="What people reported, for trust and safety."),
    "verify": _Entry(
        module="verify", text="Check a dataset, proof, receipt, export or log, offline."
    ),
    "policy": _Entry(module="policy", text="Read, compare and activate policies.", group=True),
    "log": _Entry(module="log", text="The public log of what was done.", group=True),
    "keys": _Entry(module="keys", text="The epochs of the keys that lock all others.", group=True),
    "webhook": _Entry(
        module="webhook", text="Programs that are told of choices and erasures.", group=True
    ),
    "backup": _Entry(module="backup", text="Copy the home, without its keys, to a new folder."),
    "restore": _Entry(module="restore", text="Make a home from a backup; nobody is brought back."),
    "audit": _Entry(module="audit", text="Check every invariant; a signed report."),
    "records": _Entry(
        module="records", text="Records of processing, inventory, transparency.", group=True
    ),
    "doctor": _Entry(module="doctor", text="What is set up, and what is unsafe."),
    "serve": _Entry(module="serve", text="Serve every door, and do what is due by itself."),
    "bench": _Entry(module="bench", text="Measure on this machine."),
}
_TAKE_VALUE = frozenset({"--home"})


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; nothing expected ends in a traceback."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a narrow encoding must not end in a traceback
            stream.reconfigure(errors="backslashreplace")
    session = Session(as_json="--json" in arguments)  # usage errors come before options are read
    try:
        program = typer.main.get_command(_program(_named(arguments)))
        code = program.main(arguments, prog_name="volens", standalone_mode=False, obj=session)
        sys.stdout.flush()
    except BrokenPipeError:
        _silence()
        return UNAVAILABLE
    except _USAGE_ERROR as error:
        return _show_usage(session, error)
    except (Exception, KeyboardInterrupt) as error:
        found = failure_of(error)
        if found is None:
            raise
        session.output.error(found.code, found.message, found.hint)
        return found.exit_code
    if code == INTERRUPTED:
        session.output.error("interrupted", "interrupted", "")
    return code if isinstance(code, int) else 0


def _named(arguments: Sequence[str]) -> str:
    """Return the command that the arguments name, or nothing."""
    skip = False
    for argument in arguments:
        if skip or argument.startswith("-"):
            skip = not skip and argument in _TAKE_VALUE
            continue
        return argument
    return ""


def _program(wanted: str) -> typer.Typer:
    """Return the program with the wanted command loaded and the others named only."""
    program = typer.Typer(
        help="Train only on what people said yes to, and prove it.",
        epilog=_EPILOG,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    program.callback()(_options)
    for name, entry in COMMANDS.items():
        if name == wanted:
            group = importlib.import_module(f"volens.cli.{entry.module}").GROUP
            program.add_typer(group, name=name if entry.group else None, help=entry.text)
        else:
            program.command(name, help=entry.text)(_unloaded)
    return program


def _unloaded() -> None:
    raise AssertionError("a command that was not asked for")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"volens {__version__}")
        raise typer.Exit


def _options(
    ctx: typer.Context,
    home: HomeOption = None,
    as_json: JsonOption = False,
    plain: PlainOption = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            help="Print the version and leave.",
        ),
    ] = False,
) -> None:
    del version
    session: Session = ctx.obj
    session.home, session.as_json, session.plain = home, as_json or session.as_json, plain


def _show_usage(session: Session, error: Any) -> int:  # noqa: ANN401 - typer has no public name
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(error.format_message())
        return USAGE
    hint = f"see {context.command_path} --help" if context is not None else "see volens --help"
    session.output.error("usage", error.format_message().rstrip("."), hint)
    return USAGE


def _silence() -> None:
    """Let the interpreter end without another complaint about the closed pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
