"""A fresh home for each test, copied from one that is made once."""

from pathlib import Path

import pytest

from tests.cli.driving import KEY, Shell, copy_home
from volens.app.creation import create_home


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    under = tmp_path_factory.mktemp("template")
    create_home(under / "home", environment={KEY: str(under / "kek")})
    return under / "home", under / "kek"


@pytest.fixture
def shell(made_once: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    folder, keys = copy_home(*made_once, tmp_path)
    monkeypatch.setenv(KEY, str(keys))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("VOLENS_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    return Shell(folder, keys)


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell without a home."""
    monkeypatch.setenv(KEY, str(tmp_path / "keys" / "kek"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("VOLENS_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    return Shell(tmp_path / "home", tmp_path / "keys" / "kek")
