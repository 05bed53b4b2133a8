"""How a function becomes a command: the options that all share, and what happens around it."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from volens.cli.output import Answer, Output

DEFAULT_HOME = "volens-home"

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home", metavar="DIR", help="The home to use. [env: VOLENS_HOME; default: ./volens-home]"
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document, and nothing else, on stdout.")
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")
]
PlainOption = Annotated[bool, typer.Option("--plain", help="No colour, no bars, no questions.")]
ForceYes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask; the answer is yes.")]


@dataclass(slots=True, kw_only=True)
class Session:
    """What one call of the program was given: where, and how to answer."""

    home: Path | None = None
    as_json: bool = False
    plain: bool = False
    dry_run: bool = False
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)

    @property
    def folder(self) -> Path:
        """The home's folder: ``--home``, else ``VOLENS_HOME``, else ``./volens-home``."""
        return self.home or Path(self.environment.get("VOLENS_HOME") or DEFAULT_HOME)

    @property
    def output(self) -> Output:
        """Where to print."""
        return Output(as_json=self.as_json, plain=self.plain)


Body = Callable[..., Answer]


def command(group: typer.Typer, name: str, *, writes: bool = False) -> Callable[[Body], Body]:
    """Make a function a command of `group`.

    The function takes a `Session` and then its own parameters, and returns an `Answer`. ``--home``,
    ``--json`` and ``--plain`` are added to it, and ``--dry-run`` if it `writes`.
    """

    def register(body: Body) -> Body:
        hints = get_type_hints(body, include_extras=True)
        own = [
            item.replace(annotation=hints[item.name])
            for item in list(inspect.signature(body).parameters.values())[1:]
        ]
        shared: dict[str, tuple[Any, Any]] = {
            "home": (HomeOption, None),
            "as_json": (JsonOption, False),
            "plain": (PlainOption, False),
        }
        if writes:
            shared["dry_run"] = (DryRunOption, False)

        def run(ctx: typer.Context, **given: Any) -> None:  # noqa: ANN401 - typer's values
            session: Session = ctx.obj
            for option in shared:
                setattr(session, option, given.pop(option) or getattr(session, option))
            answer = body(session, **given)
            session.output.answer(answer)
            if answer.code:
                raise typer.Exit(answer.code)

        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters = [
            inspect.Parameter("ctx", keyword, annotation=typer.Context),
            *(item.replace(kind=keyword) for item in own),
            *(
                inspect.Parameter(option, keyword, annotation=annotation, default=default)
                for option, (annotation, default) in shared.items()
            ),
        ]
        vars(run)["__signature__"] = inspect.Signature(parameters)  # typer reads it
        vars(run)["__annotations__"] = {item.name: item.annotation for item in parameters}
        run.__doc__ = body.__doc__
        run.__name__ = body.__name__
        first = (body.__doc__ or "").split("\n", 1)[0]
        group.command(name, short_help=first)(run)
        return body

    return register


def new_group(text: str) -> typer.Typer:
    """Return an empty group of commands."""
    return typer.Typer(help=text, no_args_is_help=True, add_completion=False, rich_markup_mode=None)
