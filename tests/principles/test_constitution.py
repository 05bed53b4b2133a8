"""A constitution is read strictly, and named by every word of it and nothing else."""

import pytest

from volens.core.errors import InvalidInput, NotFound
from volens.principles.constitution import (
    SHIPPED,
    open_constitution,
    read_canonical_form,
    read_toml,
)

ONE = """
version = "volens-constitution/1"
id = "mine"
title = "Mine"
language = "en"

[[principles]]
id = "short"
text = "Be short."
critique = "Is it long?"
revision = "Cut it."
[principles.rules]
most = 40
forbidden = ["trust me"]
"""


def digest(text: str) -> str:
    return read_toml(text.encode(), place="a.toml").digest


def test_spaces_comments_and_the_order_of_members_change_nothing() -> None:
    turned = ONE.replace('id = "mine"\ntitle = "Mine"', '# hello\ntitle   =  "Mine"\nid="mine"')
    assert turned != ONE
    assert digest(turned) == digest(ONE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"mine"', '"other"'),
        ('"Mine"', '"Ours"'),
        ('"Be short."', '"Be short!"'),
        ('"Is it long?"', '"Is it too long?"'),
        ('"Cut it."', '"Cut them."'),
        ("most = 40", "most = 41"),
        ('"trust me"', '"believe me"'),
        ("most = 40", "most = 40\nmay_refuse = false"),
    ],
)
def test_every_word_changes_the_name(old: str, new: str) -> None:
    assert digest(ONE.replace(old, new)) != digest(ONE)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("volens-constitution/1", "volens-constitution/2", "version"),
        ('title = "Mine"', 'title = "Mine"\nmotto = "x"', "motto"),
        ("most = 40", "mots = 40", "mots"),
        ("most = 40", "most = 40\nleast = 41", "least"),
        ("most = 40", 'most = "40"', "most"),
        ("most = 40", "most = -1", "most"),
        ('["trust me"]', '["a", "a"]', "forbidden"),
        ('["trust me"]', '[""]', "forbidden"),
        ('id = "short"', 'id = "Short One"', "id"),
        ('text = "Be short."', "", "text"),
        ('text = "Be short."', 'text = "  "', "text"),
        ('language = "en"', 'language = "english"', "language"),
        ('language = "en"', 'language = "fi"', "language"),
        ("[[principles]]", "[[principle]]", "principles"),
        ("[principles.rules]", "[principles.rules", "TOML"),
    ],
)
def test_what_is_not_known_is_refused_by_name(old: str, new: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told) as refused:
        digest(ONE.replace(old, new))
    assert refused.value.code == "constitution_form"


def test_two_principles_of_one_name_are_refused() -> None:
    again = ONE[ONE.index("[[principles]]") :]
    with pytest.raises(InvalidInput, match="one id twice"):
        digest(ONE + again)


def test_its_canonical_form_is_read_back_and_no_other() -> None:
    found = read_toml(ONE.encode(), place="a.toml")
    data = found.canonical()
    assert read_canonical_form(data, place="a.json") == found
    with pytest.raises(InvalidInput):
        read_canonical_form(data.replace(b'"refusals":[],', b""), place="a.json")
    with pytest.raises(InvalidInput):
        read_canonical_form(b" " + data, place="a.json")


def test_a_language_of_its_own_phrases_is_accepted() -> None:
    text = ONE.replace('language = "en"', 'language = "fi"\nrefusals = ["en voi auttaa"]')
    found = read_toml(text.encode(), place="a.toml")
    assert found.refuses("Valitettavasti en voi auttaa tässä.")
    assert not found.refuses("I can't help with that.")


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_shipped_is_well_formed(name: str) -> None:
    assert len(open_constitution(name).principles) >= 5
    with pytest.raises(NotFound):
        open_constitution("nowhere.toml")


def test_a_refusal_is_noticed_at_the_beginning_only() -> None:
    found = open_constitution("neutral")
    assert found.refuses("I can\N{RIGHT SINGLE QUOTATION MARK}t help with that.")
    assert not found.refuses("x" * 300 + " I can't help with that.")
    assert not found.refuses("Use a sponge.")
