"""Running the program in this process, as a shell would: words in; code, stdout and stderr out."""

import contextlib
import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from volens.cli.main import main

KEY = "VOLENS_KEK_DIR"
HELLO = "Can I see your passport, Grandmother?"


@dataclass(frozen=True)
class Said:
    """What one run said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:  # noqa: ANN401 - whatever JSON holds
        return json.loads(self.out)

    def lines(self) -> list[str]:
        return self.out.splitlines() + self.err.splitlines()


@dataclass(frozen=True)
class Shell:
    """A home that commands are run on."""

    folder: Path
    keys: Path

    def run(self, *words: object) -> Said:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(["--home", str(self.folder), *map(str, words)])
        return Said(code, out.getvalue(), err.getvalue())

    def ok(self, *words: object) -> Said:
        said = self.run(*words)
        assert said.code == 0, said
        return said

    def json(self, *words: object, code: int = 0) -> Any:  # noqa: ANN401 - whatever JSON holds
        said = self.run(*words, "--json")
        assert said.code == code, said
        return said.document

    def add(self, name: str, *options: str) -> str:
        return str(self.json("subject", "add", name, *options)["id"])

    def chats(self, name: str, count: int = 3, text: str = HELLO) -> list[str]:
        path = self.folder.parent / f"{name}.jsonl"
        write_chats(path, count, text=text)
        self.ok("import", path, "--subject", name)
        found = self.json("conversation", "list", name)["conversations"]
        return [item["id"] for item in found]

    def bytes(self) -> dict[str, bytes]:
        """Every byte of the home and of the keys, by path."""
        return {str(path): path.read_bytes() for path in self._files()}

    def _files(self) -> Iterator[Path]:
        for root in (self.folder, self.keys):
            yield from (path for path in sorted(root.rglob("*")) if path.is_file())


def write_chats(path: Path, count: int, *, text: str = HELLO) -> None:
    """Write chats in a widely used message format, one a line."""
    lines = [
        json.dumps(
            {
                "id": f"{path.stem}-{number}",
                "messages": [
                    {"role": "user", "content": f"{text} {number}"},
                    {"role": "assistant", "content": f"Of course, here it is. {number}"},
                ],
            }
        )
        for number in range(count)
    ]
    path.write_text("\n".join(lines) + "\n", "utf-8")


def copy_home(folder: Path, keys: Path, to: Path) -> tuple[Path, Path]:
    """Copy a home that nobody has open, with its keys."""
    shutil.copytree(folder, to / "home")
    shutil.copytree(keys, to / "keys" / "kek")
    return to / "home", to / "keys" / "kek"
