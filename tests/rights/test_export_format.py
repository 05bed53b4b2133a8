"""The page of the export format says what the code does."""

from hashlib import sha256
from pathlib import Path

from tests.docs.pages import ROOT, vectors
from tests.rights.exporting import captured, export, part, plain
from tests.support.homes import Place
from volens.core.ids import IdKind, parse_id
from volens.gate.accesses import opened_parts, own_copy_opening
from volens.log.entries import commit

PAGE = (ROOT / "docs/formats/export.md").read_text("utf-8")


def test_an_access_opens_as_the_page_says() -> None:
    page = vectors("export")
    salt = bytes.fromhex(page["salt"])
    subject = parse_id(IdKind.SUBJECT, page["subject"])
    ids = [parse_id(IdKind.CONVERSATION, page[name]) for name in ("conversation", "another")]
    assert commit(salt, *opened_parts(subject, page["conversation"])).hex() == page["shown"]
    assert own_copy_opening(sha256(b"".join(ids)).digest()) == page["opening"]
    assert commit(salt, *opened_parts(subject, page["opening"])).hex() == page["own_copy"]


def test_the_page_and_the_readme_name_every_part(here: Place, tmp_path: Path) -> None:
    with here.open() as home:
        result = export(home, captured(home, [plain(1)]), tmp_path / "a.zip")
    readme = part(tmp_path / "a.zip", "README.txt").decode("utf-8")
    for one in result.manifest.parts:
        assert f"`{one.name}`" in PAGE, one.name
        stem, _, kind = one.name.rpartition("/")
        named = stem or one.name.rpartition(".")[0]
        assert named in readme or one.name == "README.txt", (one.name, kind)
    assert all(len(text) <= 100 for text in readme.splitlines())
