"""A receipt as a tagged PDF (ISO 32000-1, 14.8) with the signed JSON attached to it.

The fonts are the standard ones that every reader brings (9.6.2.2), so nothing is embedded and the
letters are those of Western Europe; any other is written as its code point. The same receipt
always gives the same bytes. Needs pydyf (the extra ``receipts``).
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Sequence
from typing import Any

from volens.core.errors import Unavailable
from volens.lifecycle.receipt_outline import Moment, Outline, label, readable

_WIDTH, _HEIGHT, _MARGIN = 595.0, 842.0, 56.0  # A4, in points
_COLUMN = _WIDTH - 2 * _MARGIN
_LEADING = 1.35
_BODY, _BOLD, _FIXED = "F1", "F2", "F3"
_FONTS = {_BODY: "Helvetica", _BOLD: "Helvetica-Bold", _FIXED: "Courier"}
_FIXED_WIDTH = 600
_WIDTHS = {
    letter: width
    for width, letters in {
        280: " ',./I\\ijl|",
        333: "!()-:;[]`ft",
        389: '*r{}"',
        500: "z",
        556: "#$0123456789J_aceksvxy",
        611: "+<=>^~?FLTZbdghnopquß",
        667: "EPSVXY",
        722: "&ABCDHKNRU",
        778: "GOQw",
        889: "Mm%",
        944: "W",
    }.items()
    for letter in letters
}
"""No letter of Helvetica or Helvetica-Bold is wider, in thousandths of its size (Adobe's metrics,
rounded up to few classes): lines may be a little short, never too long."""
_WIDEST = 1015


def require_pydyf() -> Any:  # noqa: ANN401 - pydyf is optional and untyped
    """Import pydyf when it is first needed: receipts in other forms do without.

    Raises:
        Unavailable: ``pydyf_missing`` if the extra is not installed.
    """
    try:
        import pydyf  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        hint = "install volens[receipts], or take the receipt as .html or .json"
        raise Unavailable("pydyf_missing", "a PDF needs pydyf", hint=hint) from error
    return pydyf


def receipt_pdf(outline: Outline, data: bytes) -> bytes:
    """Write the paper: what the page says, and the signed receipt as an attached file.

    Args:
        outline: the receipt in words.
        data: the signed receipt itself.

    Raises:
        Unavailable: ``pydyf_missing``.
    """
    paper = _Paper(require_pydyf(), outline)
    language = outline.language
    paper.text("H1", outline.title, font=_BOLD, size=20)
    paper.text("P", outline.lead, size=13)
    if outline.warning:
        paper.text("P", outline.warning, font=_BOLD)
    paper.table((180.0,), [(name, value) for name, value in outline.facts])
    _moments(paper, language, "timeline", ("step", "when", "proof"), outline.timeline)
    if outline.steps:
        _moments(paper, language, "steps", ("store", "when", "how"), outline.steps)
    if outline.method:
        paper.text("H2", label("method", language), font=_BOLD, size=13)
    for text in outline.method:
        paper.text("P", text)
    before, command, after = outline.checking
    paper.text("H2", label("check", language), font=_BOLD, size=13)
    paper.text("P", before)
    paper.text("P", command, font=_FIXED, size=9)
    paper.text("P", after)
    paper.text("H2", label("checkpoint", language), font=_BOLD, size=13)
    for text in outline.checkpoint.rstrip("\n").split("\n"):
        if text:
            paper.text("P", text, font=_FIXED, size=8)
    return paper.finish(f"{outline.name}.json", data)


def _moments(
    paper: _Paper, language: str, title: str, columns: Sequence[str], moments: Sequence[Moment]
) -> None:
    paper.text("H2", label(title, language), font=_BOLD, size=13)
    rows = [
        (one.label, readable(one.at) if one.at else label("not_yet", language), one.note)
        for one in moments
    ]
    paper.table((190.0, 130.0), rows, head=[label(one, language) for one in columns])


class _Paper:
    """Sets text from top to bottom, page after page, and keeps the structure tree."""

    def __init__(self, pydyf: Any, outline: Outline) -> None:  # noqa: ANN401 - untyped
        self._made = pydyf
        self._outline = outline
        self._pdf = pydyf.PDF()
        self._fonts = {name: self._font(base) for name, base in _FONTS.items()}
        self._root = self._add({"Type": "/StructTreeRoot"})
        self._document = self._element("Document", self._root)
        self._streams: list[Any] = []
        self._pages: list[Any] = []
        self._marked: list[list[Any]] = []  # for each page, the elements of its marks
        self._new_page()

    def text(self, tag: str, text: str, *, font: str = _BODY, size: float = 10.5) -> None:
        """Set a paragraph or a heading, whole on one page."""
        lines = _lines(text, font, size, _COLUMN)
        heading = tag.startswith("H")
        below = 4 * size if heading else 0  # a heading stays with what it heads
        self._room(len(lines) * size * _LEADING + below)
        self._top -= size * 0.5 if heading else 0
        element = self._element(tag, self._document)
        self._mark(tag, element, lines, x=_MARGIN, font=font, size=size)
        self._top -= len(lines) * size * _LEADING + size * 0.45

    def table(
        self,
        widths: Sequence[float],
        rows: Sequence[Sequence[str]],
        *,
        head: Sequence[str] = (),
        size: float = 10,
    ) -> None:
        """Set a table; the first cell of each row heads it, the last column takes what is left."""
        table = self._element("Table", self._document)
        wide = [*widths, _COLUMN - sum(widths)]
        if head:
            self._row(table, wide, head, size=size, heads=len(head), bold=True)
        for row in rows:
            self._row(table, wide, row, size=size, heads=1, bold=False)
        self._top -= size * 0.6

    def finish(self, name: str, data: bytes) -> bytes:
        """Attach `data` under `name` and return the file."""
        made, pdf = self._made, self._pdf
        attached = self._attach(name, data)
        numbers = []
        for place, elements in enumerate(self._marked):
            self._foot(place)
            numbers += [place, made.Array([one.reference for one in elements])]
        parents = self._add({"Nums": made.Array(numbers)})
        self._root.update({"ParentTree": parents.reference, "ParentTreeNextKey": len(self._marked)})
        pdf.catalog.update(
            {
                "Lang": made.String(self._outline.language),
                "MarkInfo": made.Dictionary({"Marked": "true"}),
                "StructTreeRoot": self._root.reference,
                "ViewerPreferences": made.Dictionary({"DisplayDocTitle": "true"}),
                "AF": made.Array([attached.reference]),
                "Names": made.Dictionary(
                    {
                        "EmbeddedFiles": made.Dictionary(
                            {"Names": made.Array([made.String(name), attached.reference])}
                        )
                    }
                ),
            }
        )
        pdf.info.update({"Title": made.String(self._outline.subject_line)})
        written = io.BytesIO()
        pdf.write(written, version=b"1.7")
        return written.getvalue()

    def _row(
        self,
        table: Any,  # noqa: ANN401 - pydyf's dictionary
        widths: Sequence[float],
        cells: Sequence[str],
        *,
        size: float,
        heads: int,
        bold: bool,
    ) -> None:
        gap = 8.0
        font = _BOLD if bold else _BODY
        lines = [
            _lines(cell, font, size, width - gap) for cell, width in zip(cells, widths, strict=True)
        ]
        height = max(map(len, lines)) * size * _LEADING
        self._room(height + size)
        row = self._element("TR", table)
        x = _MARGIN
        for place, (cell, width) in enumerate(zip(lines, widths, strict=True)):
            tag = "TH" if place < heads else "TD"
            element = self._element(tag, row)
            if tag == "TH":
                scope = "/Column" if bold else "/Row"
                element["A"] = self._made.Dictionary({"O": "/Table", "Scope": scope})
            self._mark(tag, element, cell, x=x, font=font, size=size)
            x += width
        self._top -= height + 2
        self._rule()

    def _mark(
        self,
        tag: str,
        element: Any,  # noqa: ANN401 - pydyf's dictionary
        lines: Sequence[str],
        *,
        x: float,
        font: str,
        size: float,
    ) -> None:
        """Set lines as the marked content of one element (14.7.4)."""
        stream, marks = self._streams[-1], self._marked[-1]
        stream.begin_marked_content(tag, self._made.Dictionary({"MCID": len(marks)}).data)
        element.update({"K": len(marks), "Pg": self._pages[-1].reference})
        marks.append(element)
        for place, line in enumerate(lines):
            self._show(stream, line, x, self._top - size - place * size * _LEADING, font, size)
        stream.end_marked_content()

    def _show(
        self,
        stream: Any,  # noqa: ANN401 - pydyf's stream
        line: str,
        x: float,
        y: float,
        font: str,
        size: float,
    ) -> None:
        stream.begin_text()
        stream.set_font_size(font, size)
        stream.move_text_to(x, y)
        stream.show_text_string(line.encode("cp1252"))
        stream.end_text()

    def _rule(self) -> None:
        stream = self._streams[-1]
        stream.begin_marked_content("Artifact")
        stream.set_color_rgb(0.7, 0.7, 0.7, stroke=True)
        stream.set_line_width(0.4)
        stream.move_to(_MARGIN, self._top)
        stream.line_to(_WIDTH - _MARGIN, self._top)
        stream.stroke()
        stream.end_marked_content()
        self._top -= 3

    def _foot(self, place: int) -> None:
        stream = self._streams[place]
        stream.begin_marked_content("Artifact")
        foot = f"{self._outline.name}   {place + 1}/{len(self._streams)}"
        self._show(stream, foot, _MARGIN, _MARGIN / 2, _BODY, 8)
        stream.end_marked_content()

    def _room(self, height: float) -> None:
        if self._top - height < _MARGIN:
            self._new_page()

    def _new_page(self) -> None:
        made = self._made
        stream = made.Stream(compress=True)
        self._pdf.add_object(stream)
        fonts = {name: font.reference for name, font in self._fonts.items()}
        page = made.Dictionary(
            {
                "Type": "/Page",
                "Parent": self._pdf.pages.reference,
                "MediaBox": made.Array([0, 0, _WIDTH, _HEIGHT]),
                "Contents": stream.reference,
                "Resources": made.Dictionary({"Font": made.Dictionary(fonts)}),
                "StructParents": len(self._streams),
                "Tabs": "/S",
            }
        )
        self._pdf.add_page(page)
        self._pages.append(page)
        self._streams.append(stream)
        self._marked.append([])
        self._top = _HEIGHT - _MARGIN

    def _attach(self, name: str, data: bytes) -> Any:  # noqa: ANN401 - pydyf's dictionary
        made = self._made
        extra = {"Type": "/EmbeddedFile", "Subtype": "/application#2Fjson"}
        stream = made.Stream([data], extra, compress=True)
        self._pdf.add_object(stream)
        return self._add(
            {
                "Type": "/Filespec",
                "F": made.String(name),
                "UF": made.String(name),
                "AFRelationship": "/Source",
                "Desc": made.String(label("save", self._outline.language)),
                "EF": made.Dictionary({"F": stream.reference, "UF": stream.reference}),
            }
        )

    def _font(self, base: str) -> Any:  # noqa: ANN401 - pydyf's dictionary
        return self._add(
            {
                "Type": "/Font",
                "Subtype": "/Type1",
                "BaseFont": f"/{base}",
                "Encoding": "/WinAnsiEncoding",
            }
        )

    def _element(self, tag: str, parent: Any) -> Any:  # noqa: ANN401 - pydyf's dictionary
        made = self._add({"Type": "/StructElem", "S": f"/{tag}", "P": parent.reference})
        parent.setdefault("K", self._made.Array([])).append(made.reference)
        return made

    def _add(self, members: dict[str, Any]) -> Any:  # noqa: ANN401 - pydyf's dictionary
        made = self._made.Dictionary(members)
        self._pdf.add_object(made)
        return made


def _lines(text: str, font: str, size: float, width: float) -> list[str]:
    """Break text into lines that fit, between words where it can be."""
    plain = text.encode("cp1252", "backslashreplace").decode("cp1252")
    lines, line = [], ""
    for word in plain.split():
        wider = f"{line} {word}" if line else word
        if _extent(wider, font, size) <= width:
            line = wider
            continue
        if line:
            lines.append(line)
        line = word
        while _extent(line, font, size) > width:
            fits = next(
                cut
                for cut in range(len(line) - 1, 0, -1)
                if _extent(line[:cut], font, size) <= width
            )
            lines.append(line[:fits])
            line = line[fits:]
    return [*lines, line]


def _extent(text: str, font: str, size: float) -> float:
    """Return how wide `text` is at most, in points."""
    if font == _FIXED:
        return len(text) * _FIXED_WIDTH * size / 1000
    return sum(_WIDTHS.get(_base(letter), _WIDEST) for letter in text) * size / 1000


def _base(letter: str) -> str:
    """Return a letter without its accents: it is as wide."""
    return letter if letter in _WIDTHS else unicodedata.normalize("NFD", letter)[0]
