"""What is found, what stays, and the promises that hold for every text."""

# ruff: noqa: RUF001 - look-alike characters are what is tested

import re
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from volens.core.errors import InvalidInput, Unavailable
from volens.datasets.redaction.names import SpacyNames
from volens.datasets.redaction.profiles import (
    CONTACT,
    NONE,
    STANDARD,
    STRICT,
    Entity,
    profile_named,
)
from volens.datasets.redaction.redactor import Redactor

REDACTOR = Redactor()

FOUND = [
    ("write to john.doe+x@example.co.uk now", "write to [EMAIL] now"),
    ("'o'brien@example.org'", "'[EMAIL]'"),
    ('"john doe"@example.org', "[EMAIL]"),
    ("john (at) example (dot) org", "[EMAIL]"),
    ("jane [at] mail.example.org please", "[EMAIL] please"),
    ("邮箱john@example.com是", "邮箱[EMAIL]是"),
    ("我的电话是13812345678，谢谢", "我的电话是[PHONE]，谢谢"),
    ("地址203.0.113.7的", "地址[IP]的"),
    ("用户@例子.广告 是", "[EMAIL] 是"),
    ("<a@xn--bcher-kva.example>", "<[EMAIL]>"),
    ("pay with 4111 1111 1111 1111 2025", "pay with [CARD] 2025"),
    ("exp 12/25 4111-1111-1111-1111.", "exp 12/25 [CARD]."),
    ("3782 822463 10005", "[CARD]"),
    ("my card number is 676222165679, ok", "my card number is [CARD], ok"),
    ("GB82 WEST 1234 5698 7654 32", "[IBAN]"),
    ("iban:de89370400440532013000.", "iban:[IBAN]."),
    ("SSN 460-89-9847", "SSN [NATIONAL_ID]"),
    ("my social security number is 460 89 9847", "my social security number is [NATIONAL_ID]"),
    ("NI number QQ123456C? no, AB 12 34 56 C", "NI number QQ123456C? no, [NATIONAL_ID]"),
    ("DNI 12345678Z, NIE X-1234567-L", "DNI [NATIONAL_ID], NIE [NATIONAL_ID]"),
    ("codice MRTMTT91D08F205J", "codice [NATIONAL_ID]"),
    ("Steuer-ID: 86 095 742 719", "Steuer-ID: [NATIONAL_ID]"),
    ("2 55 08 14 168 025 38", "[NATIONAL_ID]"),
    ("my SIN is 046 454 286", "my SIN is [NATIONAL_ID]"),
    ("身份证11010519491231002X。", "身份证[NATIONAL_ID]。"),
    ("マイナンバーは 1234 5678 9018", "マイナンバーは [NATIONAL_ID]"),
    ("CPF 529.982.247-25", "CPF [NATIONAL_ID]"),
    ("PAN ABCPE1234F", "PAN [NATIONAL_ID]"),
    ("passport number: C01X00T47", "passport number: [NATIONAL_ID]"),
    ("from 203.0.113.7:8080", "from [IP]:8080"),
    ("host 2001:db8::8a2e:370:7334 up", "host [IP] up"),
    ("fe80::1ff:fe23:4567:890a%eth0", "[IP]%eth0"),
    ("::ffff:192.0.2.128", "[IP]"),
    ("mac 00:1A:2b:3C:4d:5E", "mac [MAC]"),
    ("mac 00-1A-2b-3C-4d-5E", "mac [MAC]"),
    ("+41 (0)62 585 51 90", "[PHONE]"),
    ("001-253-366-9781", "[PHONE]"),
    ("+1-903-140-4508x769", "[PHONE]"),
    ("(415) 555-2671", "[PHONE]"),
    ("06 12 34 56 78", "[PHONE]"),
    ("call me on 9472 7916?", "call me on [PHONE]?"),
    ("手机 13812345678", "手机 [PHONE]"),
    ("138-1234-5678", "[PHONE]"),
    ("هاتف ٠٥٠١٢٣٤٥٦٧", "هاتف [PHONE]"),
    ("born on 5 May 1985", "born on [BIRTH_DATE]"),
    ("DOB: 1985-05-05", "DOB: [BIRTH_DATE]"),
    ("geboren am 5.5.1985", "geboren am [BIRTH_DATE]"),
    ("生日 1985年5月5日", "生日 [BIRTH_DATE]"),
    ("bank account 12345678", "bank account [ACCOUNT]"),
    ("password = hunter2", "password = [SECRET]"),
    ('"api_key": "zxcvbnmq"', '"api_key": "[SECRET]"'),
    ("my password is tr0ub4dor&3!", "my password is [SECRET]!"),
    ("DB_PASSWORD=correcthorse", "DB_PASSWORD=[SECRET]"),
    ('password == "hunter2"', 'password == "[SECRET]"'),
    ("https://bob:pa55@host.example/x", "https://[SECRET]/x"),
    ("postgres://app:s3cr3t@db:5432/x", "postgres://[SECRET]@db:5432/x"),
    ("密码：abc12345", "密码：[SECRET]"),
    ("AKIAIOSFODNN7EXAMPLE", "[SECRET]"),
    ("Authorization: Bearer 9f8a7b6c5d4e3f2a1b0c9d8e", "Authorization: Bearer [SECRET]"),
    ("key wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "key [SECRET]"),
    ("４１１１ １１１１ １１１１ １１１１", "[CARD]"),
    ("jo\u200bhn@exam\u200bple.com x", "[EMAIL] x"),
    ("4111\u00ad1111\x071111\x001111", "[CARD]"),
    ("\u202e4111111111111111\u202c end", "\u202e[CARD]\u202c end"),
    ("460\u201189\u20119847", "[NATIONAL_ID]"),
]
# Published example of a JWT (RFC 7519, 3.1), joined here so that no scanner takes it for a leak.
JWT_PARTS = (
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQo",
    "dBjftJeZ4CVP-mB92K27uhbUJU1p1r",
)
MADE_TOKENS = [
    "ghp_" + "a1B2" * 9,
    "github_pat_" + "A1b2" * 6,
    "glpat-" + "x9Y8" * 5,
    "xoxb-" + "123456789012-abcDEF",
    "AIza" + "Sy0-" * 8 + "abc",
    "sk_live_" + "4eC39HqLyjWD",
    "sk-" + "proj-" + "Ab3" * 8,
    "npm_" + "a1B2" * 9,
    "hf_" + "a1B2c3" * 6,
    "SG." + "a1B2c3d4" * 2 + "." + "e5F6g7H8" * 2,
    "123456789:" + "AAa1-" * 7,
    ".".join(JWT_PARTS),
]

STAYS = [
    'if token == "struct":',
    "one pass is needed: here",
    "0.0072973525693 of it",
    "0000 0001 2281",
    "values[1::2] and a[10::20]",
    "RFC 8785, 3.2.2.3 and section 7.1.12.1",
    "the name server 8.8.8.8",
    "token = self.next_token",
    "f(password=password, token=token)",
    "the key raises _DirectUrlRequiredKeyError",
    "order 1234567890123 shipped",
    "version 10.2.3.4 of it",
    "v1.2.3.4",
    "127.0.0.1 and 0.0.0.0",
    "mask 255.255.255.0",
    "std::vector<int> a::b 12:30:45",
    "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
    "550e8400-e29b-41d4-a716-446655440000",
    "isbn 978-3-16-148410-0",
    "2023-12-25 and 25.12.2023 10:30",
    "git@github.com:org/repo",
    "@scope/pkg@1.2.3",
    "the pass is: closed",
    "password: required",
    "password = input('x')",
    "token = os.environ['X']",
    "key: value",
    "the key point is this1",
    "pi is 3.14159265358979",
    "1,000,000,000 people",
    "$1234567.89",
    "he was born in a small town",
    "founded on 5 May 1985",
    "4111 1111 1111 1112",
    "GB82WEST12345698765433",
    "12345678A",
    "state-of-the-art-2024-model-name",
    "www.example.com/a-very-long-path-name-2024",
    "1 2 3 4 5 6 7 8 9 10 11 12 13",
    "0.1.2.3.4.5.6",
    "emoji 👩‍💻 ❤️ fine",
    "می‌خواهم",
    "",
]


@pytest.mark.parametrize(("text", "wanted"), FOUND)
def test_personal_data_becomes_a_typed_placeholder(text: str, wanted: str) -> None:
    assert REDACTOR.redact(text).text == wanted


@pytest.mark.parametrize("token", MADE_TOKENS)
def test_a_token_of_a_published_shape_is_a_secret_wherever_it_stands(token: str) -> None:
    assert REDACTOR.redact(f"see {token} here").text == "see [SECRET] here"


@pytest.mark.parametrize("label", ["RSA PRIVATE KEY", "PRIVATE KEY", "OPENSSH PRIVATE KEY"])
def test_a_private_key_goes_as_a_whole_even_when_it_is_cut_off(label: str) -> None:
    body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQC7" * 3
    block = f"-----BEGIN {label}-----\n{body}\n-----END {label}-----"
    assert REDACTOR.redact(f"a {block} b").text == "a [SECRET] b"
    assert "MIIE" not in REDACTOR.redact(block[:90]).text


@pytest.mark.parametrize("text", STAYS)
def test_what_only_looks_like_personal_data_stays(text: str) -> None:
    assert REDACTOR.redact(text).text == text


def test_profiles_look_for_their_kinds_only() -> None:
    text = "a@example.org 203.0.113.7 +41 62 585 51 90 4111111111111111 12 Long Street 1234567"
    assert Redactor(NONE).redact(text).text == text
    rest = "12 Long Street 1234567"
    contact = f"[EMAIL] [IP] [PHONE] 4111111111111111 {rest}"
    assert Redactor(CONTACT).redact(text).text == contact
    assert Redactor(STANDARD).redact(text).text == f"[EMAIL] [IP] [PHONE] [CARD] {rest}"
    assert Redactor(STRICT).redact(text).text == "[EMAIL] [IP] [PHONE] [CARD] [ADDRESS] [NUMBER]"


def test_an_unknown_profile_is_refused() -> None:
    assert profile_named("strict") is STRICT
    with pytest.raises(InvalidInput, match="no redaction profile 'none-such'"):
        profile_named("none-such")


class CapitalNames:
    """A stand-in for a model: every capitalised word of more than three letters is a name."""

    label = "capital words 1"

    def find(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        return [[hit.span() for hit in re.finditer(r"\b[A-Z][a-z]{3,}\b", text)] for text in texts]


def test_names_are_looked_for_only_with_a_model_and_the_report_says_so() -> None:
    text = "ask Maria at maria@example.org"
    without, with_model = Redactor(STRICT), Redactor(STRICT, names=CapitalNames())
    assert without.redact(text).text == "ask Maria at [EMAIL]"
    assert without.report()["names"] == "not looked for: no name model is installed"
    assert "NAME" not in without.report()["looked_for"]
    assert with_model.redact(text).text == "ask [NAME] at [EMAIL]"
    assert with_model.report()["names"] == "looked for by capital words 1"
    assert Redactor(STANDARD, names=CapitalNames()).redact(text).text == "ask Maria at [EMAIL]"


def test_a_model_that_is_not_installed_is_unavailable_and_never_fetched() -> None:
    with pytest.raises(Unavailable, match="no name model 'no_such_pipeline'"):
        SpacyNames("no_such_pipeline")


def test_the_repr_of_a_redacted_text_shows_no_text() -> None:
    assert "visible" not in repr(REDACTOR.redact("visible words"))


def test_an_unchanged_text_is_the_same_object() -> None:
    text = "nothing to see"
    assert REDACTOR.redact_many([text])[0][0] is text


PIECES = st.sampled_from(
    [text for text, _ in FOUND]
    + STAYS
    + MADE_TOKENS
    + [
        "[EMAIL]",
        "[PHONE]",
        "[TEXT]",
        "[",
        "]",
        "phone ",
        "card ",
        "password=",
        "-----BEGIN PRIVATE KEY-----",
        "\x00",
        "\u200b",
        "@",
        "://",
        "ı",
        "ſ",
        "²",
        "١",
        "\ufeff",
        "\ud7ff",
        "𝟙",
        "ß",
    ]
)
TEXTS = st.lists(
    PIECES | st.text(max_size=8) | st.from_regex(r"[0-9 .:-]{1,20}", fullmatch=True), max_size=8
).map("".join)
PROFILED = st.sampled_from([CONTACT, STANDARD, STRICT]).map(Redactor)


@settings(max_examples=300, deadline=None)
@given(PROFILED, TEXTS)
def test_redacting_again_changes_nothing(redactor: Redactor, text: str) -> None:
    once = redactor.redact(text)
    again = redactor.redact(once.text)
    assert again.text == once.text
    assert not again.counts


@settings(max_examples=300, deadline=None)
@given(PROFILED, TEXTS)
def test_counts_are_the_placeholders_put_in(redactor: Redactor, text: str) -> None:
    redacted = redactor.redact(text)
    for entity in Entity:
        put_in = redacted.text.count(entity.placeholder) - text.count(entity.placeholder)
        if redacted.counts.get(Entity.TEXT):
            continue
        assert put_in == redacted.counts.get(entity, 0)


@settings(max_examples=300, deadline=None)
@given(PROFILED, TEXTS)
def test_spans_do_not_overlap_and_the_text_around_them_stays(redactor: Redactor, text: str) -> None:
    spans = redactor.find(text)
    at, rest = 0, []
    for span in spans:
        assert at <= span.start < span.end <= len(text)
        rest += [text[at : span.start], span.entity.placeholder]
        at = span.end
    rest.append(text[at:])
    once = "".join(rest)
    assert redactor.redact(once).text == redactor.redact(text).text


@settings(max_examples=150, deadline=None)
@given(PROFILED, st.lists(TEXTS, max_size=6))
@example(Redactor(), ["", f"123456789:{'AAa1-' * 7}", f"12345678:{'AAa1-' * 7}"])
def test_a_batch_answers_as_each_text_by_itself(redactor: Redactor, texts: list[str]) -> None:
    together, counts = redactor.redact_many(texts)
    alone = [redactor.redact(text) for text in texts]
    assert together == [one.text for one in alone]
    for entity in Entity:
        assert counts[entity] == sum(one.counts.get(entity, 0) for one in alone)


MEGABYTE = 1_000_000
ADVERSARIAL = [
    "1",
    "1 ",
    "1-",
    "1.",
    "0 ",
    "+1",
    "@",
    "a@",
    "a.",
    "a@a.",
    ":",
    "a:",
    "::",
    "-",
    "aa-",
    "A1",
    "a1b2C3d4",
    "[",
    "(at",
    "4111 ",
    "460-89-",
    "://a:",
    "password=",
    "pass",
    "-----BEGIN PRIVATE KEY-----",
    "eyJ",
    "eyJaaaaaaaa.",
    "GB82 ",
    "AB12",
    "born 1985 ",
    "1985-",
    "\u200b1",
    "\x001",
    "\u0661",
    "12 Aa Aa ",
    "ghp_",
    "phone 1",
    "[EMAIL]",
    "secret ",
]


@pytest.mark.parametrize("unit", ADVERSARIAL)
def test_a_long_hostile_text_is_finished(unit: str) -> None:
    text = unit * (MEGABYTE // 10 // len(unit))
    assert isinstance(Redactor(STRICT).redact(text).text, str)


@pytest.mark.slow
@pytest.mark.parametrize("unit", ADVERSARIAL)
def test_a_hostile_megabyte_is_finished(unit: str) -> None:
    text = unit * (MEGABYTE // len(unit))
    assert isinstance(Redactor(STRICT).redact(text).text, str)
