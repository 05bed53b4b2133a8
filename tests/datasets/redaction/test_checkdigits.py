"""Published numbers hold; the same numbers with one digit changed do not."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volens.datasets.redaction import checkdigits, money
from volens.datasets.redaction import nationalchecks as national

# ISO/IEC 7812-1 annex example, and the test numbers that card networks publish.
LUHN = ["79927398713", "4111111111111111", "378282246310005", "6011111111111117", "30569309025904"]
# SWIFT IBAN Registry, the examples of each country's page.
IBANS = [
    "GB82WEST12345698765432", "DE89370400440532013000", "FR1420041010050500013M02606",
    "ES9121000418450200051332", "NL91ABNA0417164300", "CH9300762011623852957", "NO9386011117947",
    "MT84MALT011000012345MTLCAST001S", "BE68539007547034", "SE4550000000058398257466",
    "IT60X0542811101000000123456", "AT611904300234573201", "PL61109010140000071219812874",
]  # fmt: skip
NATIONAL = [
    (national.dni, "12345678Z"),
    (national.dni, "X1234567L"),
    (national.codice_fiscale, "MRTMTT91D08F205J"),
    (national.codice_fiscale, "RSSMRA85T10A562S"),
    (national.steuer_id, "86095742719"),
    (national.steuer_id, "47036892816"),
    (national.nir, "255081416802538"),
    (checkdigits.luhn, "046454286"),
    (national.resident_id, "11010519491231002X"),
    (national.resident_id, "440524188001010014"),
    (national.my_number, "123456789018"),
    (national.cpf, "52998224725"),
    (national.cpf, "11144477735"),
    (checkdigits.verhoeff, "2363"),
    (national.bsn, "111222333"),
    (national.bsn, "123456782"),
    (national.pesel, "44051401359"),
    (national.personnummer, "8112189876"),
    (national.hetu, "131052-308T"),
    (national.nhs_number, "9434765919"),
    (national.tax_file_number, "123456782"),
    (national.rijksregister, "85073003328"),
    (national.tckn, "10000000146"),
]


@pytest.mark.parametrize("number", LUHN)
def test_published_card_numbers_pass_luhn(number: str) -> None:
    assert checkdigits.luhn(number)


@pytest.mark.parametrize("iban", IBANS)
def test_published_ibans_hold_and_have_their_countrys_length(iban: str) -> None:
    assert checkdigits.mod97_10(iban[4:] + iban[:4])
    assert money.IBAN_LENGTHS[iban[:2]] == len(iban)


@pytest.mark.parametrize(("holds", "number"), NATIONAL)
def test_published_identifiers_hold(holds: Callable[[str], bool], number: str) -> None:
    assert holds(number)


@pytest.mark.parametrize(("holds", "number"), NATIONAL)
def test_an_identifier_with_another_last_character_does_not_hold(
    holds: Callable[[str], bool], number: str
) -> None:
    last = number[-1]
    others = "0123456789" if last.isdigit() or len(number) == 18 else "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    wrong = [number[:-1] + other for other in others if other != last]
    assert not any(holds(candidate) for candidate in wrong)


def test_iso_7064_mod_11_10_holds_for_its_published_example() -> None:
    assert checkdigits.mod11_10("12345678995")
    assert not checkdigits.mod11_10("12345678994")


@given(st.from_regex(r"\A[0-9]{15}\Z"), st.integers(0, 15), st.integers(1, 9))
def test_luhn_and_verhoeff_catch_every_single_wrong_digit(
    head: str, place: int, shift: int
) -> None:
    for holds in (checkdigits.luhn, checkdigits.verhoeff):
        number = next(head + str(d) for d in range(10) if holds(head + str(d)))
        wrong = number[:place] + str((int(number[place]) + shift) % 10) + number[place + 1 :]
        assert not holds(wrong)


@pytest.mark.parametrize(
    ("month", "day", "exists"),
    [
        ("02", "29", True),
        ("02", "30", False),
        ("13", "01", False),
        ("04", "31", False),
        ("12", "31", True),
        ("00", "10", False),
    ],
)
def test_months_and_days_are_those_of_the_calendar(month: str, day: str, exists: bool) -> None:
    assert checkdigits.month_and_day(month, day) is exists
