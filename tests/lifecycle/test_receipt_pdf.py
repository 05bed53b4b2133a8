"""The paper says what the page says, carries the signed receipt, and has a structure."""

import io
import re
from dataclasses import replace

import pytest

from tests.lifecycle.erasing import CONTACT, Erasing
from tests.lifecycle.test_receipt_pages import LANGUAGES, shown, states
from volens.holds.erasure import ErasureState
from volens.lifecycle import receipt_words as words
from volens.lifecycle.receipt_outline import outline, readable
from volens.lifecycle.receipt_pdf import receipt_pdf

pytest.importorskip("pydyf", reason="the extra receipts is not installed")
pypdf = pytest.importorskip("pypdf", reason="pypdf, which reads papers back, is not installed")


def read(data: bytes) -> "pypdf.PdfReader":
    return pypdf.PdfReader(io.BytesIO(data), strict=True)


def text_of(data: bytes) -> str:
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in read(data).pages))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("state", list(ErasureState))
def test_the_paper_says_where_it_stands_and_every_time(state: ErasureState, language: str) -> None:
    data = states()[state]
    found = shown(data)
    said = text_of(receipt_pdf(outline(found, language=language), data))
    times = found.receipt.times
    assert words.STATE[state][language] in said
    assert found.receipt.reference in said
    assert CONTACT in said
    for one in (times.requested, times.keys_removed, times.irrecoverable, times.held_until):
        assert one is None or readable(one) in said
    note = re.sub(r"\s+", "", found.note)
    assert note in re.sub(r"\s+", "", said.replace(f"{outline(found).name} 1/2", ""))


def test_the_signed_receipt_is_attached() -> None:
    data = Erasing().done()
    made = outline(shown(data))
    attached = read(receipt_pdf(made, data)).attachments
    assert {name: list(files) for name, files in attached.items()} == {f"{made.name}.json": [data]}


def test_the_same_receipt_gives_the_same_paper() -> None:
    data = Erasing().done()
    made = outline(shown(data))
    assert receipt_pdf(made, data) == receipt_pdf(made, data)


def test_the_paper_has_language_title_and_a_structure_in_reading_order() -> None:
    data = Erasing().done()
    made = outline(shown(data), language="de")
    reader = read(receipt_pdf(made, data))
    root = reader.trailer["/Root"]
    assert (root["/Lang"], root["/MarkInfo"]["/Marked"]) == ("de", True)
    assert reader.metadata is not None
    assert reader.metadata.title == made.subject_line
    (document,) = root["/StructTreeRoot"]["/K"]
    tags = [one.get_object()["/S"] for one in document.get_object()["/K"]]
    assert tags[:4] == ["/H1", "/P", "/Table", "/H2"]
    assert tags.count("/Table") == 3
    rows = document.get_object()["/K"][4].get_object()["/K"]
    assert len(rows) == 1 + len(made.timeline)
    cells = [one.get_object()["/S"] for one in rows[1].get_object()["/K"]]
    assert cells == ["/TH", "/TD", "/TD"]


def test_every_mark_of_every_page_is_in_the_structure() -> None:
    data = Erasing().done()
    found = shown(data)
    reader = read(receipt_pdf(outline(replace(found, note=found.note * 12)), data))
    numbers = reader.trailer["/Root"]["/StructTreeRoot"]["/ParentTree"]["/Nums"]
    assert len(reader.pages) >= 2
    for place, page in enumerate(reader.pages):
        marks = re.findall(rb"<</MCID (\d+)>>", page.get_contents().get_data())
        assert [int(one) for one in marks] == list(range(len(marks)))
        assert numbers[2 * place] == page["/StructParents"] == place
        assert len(numbers[2 * place + 1]) == len(marks)


def test_a_letter_that_the_fonts_lack_is_written_as_its_code_point() -> None:
    data = Erasing().done()
    found = shown(data)
    receipt = replace(found.receipt, contact="Büro für Datenschutz, Αθήνα (x) \\ 日本")
    said = text_of(receipt_pdf(outline(replace(found, receipt=receipt)), data))
    bare = re.sub(r"\s+", "", said)
    assert "BürofürDatenschutz,\\u0391\\u03b8" in bare
    assert "(x)\\\\u65e5\\u672c" in bare


def test_a_long_word_is_broken_and_nothing_runs_over_the_edge() -> None:
    data = Erasing().done()
    found = shown(data)
    receipt = replace(found.receipt, contact="W" * 300)
    reader = read(receipt_pdf(outline(replace(found, receipt=receipt)), data))
    said = re.sub(r"\s+", "", "".join(page.extract_text() for page in reader.pages))
    assert "W" * 300 in said
    lines = re.findall(rb"\((W+)\) Tj", reader.pages[0].get_contents().get_data())
    assert max(map(len, lines)) * 10 * 0.944 <= 595 - 56 - 56 - 180
