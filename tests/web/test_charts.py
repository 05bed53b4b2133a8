"""Every number of a picture stands beside it in a table, and no text in it is markup."""

from datetime import timedelta
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from tests.support.stores import START
from volens.web.charts import Bar, Chart, Span, Stack, bar_chart, span_chart, stack_chart

NAMES = st.text(
    st.characters(blacklist_categories=("Cs", "Cc", "Co", "Cn")), min_size=1, max_size=60
)


def read(chart: Chart) -> ET.Element:
    """Parse the picture: what isn't well-formed raises."""
    return ET.fromstring(str(chart.picture))


@given(st.lists(st.tuples(NAMES, st.integers(0, 10**9)), max_size=8))
def test_bars_stay_inside_their_picture_and_in_order(items: list[tuple[str, int]]) -> None:
    bars = [Bar(name=name, value=value, said=str(value)) for name, value in items]
    chart = bar_chart("<what>", bars, ("a", "#b"))
    svg = read(chart)
    assert svg.attrib["aria-label"] == "<what>"
    assert not svg.findall(".//script")
    widths = [int(one.attrib["width"]) for one in svg.iter("rect") if one.attrib["class"] == "s1"]
    assert all(0 < width <= 359 for width in widths)
    assert len(widths) == sum(value > 0 for _, value in items)
    assert chart.rows == tuple((name, str(value)) for name, value in items)
    for one in svg.iter():
        assert "style" not in one.attrib


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=6))
def test_the_parts_of_a_bar_never_reach_past_its_end(parts: list[tuple[int, int]]) -> None:
    stacks = [Stack(name="x", parts=pair, said="") for pair in parts]
    chart = stack_chart(
        "t", stacks, ("one", "two"), ("a", "#b", "#c"), numbers=[("1", "2")] * len(parts)
    )
    for one in read(chart).iter("rect"):
        assert int(one.attrib["x"]) + int(one.attrib["width"]) <= 364


def test_a_moment_in_time_is_marked_between_the_ends() -> None:
    day = timedelta(days=1)
    spans = [Span(name="a", start=START - day, end=START + day, said="1 day left")]
    svg = read(span_chart("t", spans, START, ("a", "b"), "now"))
    (line,) = svg.iter("line")
    assert 170 < int(line.attrib["x1"]) < 190
