"""Check digits and dates of the numbers that states give to people.

All functions take the bare characters, in upper case and in the right number, and return whether
the number can be one.
"""

from __future__ import annotations

from volens.datasets.redaction.checkdigits import (
    luhn,
    mod11_2,
    mod11_10,
    month_and_day,
    weighted,
)

_DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_HETU_LETTERS = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_CF_ODD = (
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
)  # fmt: skip


def dni(text: str) -> bool:
    """Check a Spanish DNI or NIE: the letter is the number modulo 23 (RD 1553/2005)."""
    first = "XYZ".find(text[0])
    number = int(text[:-1] if first < 0 else f"{first}{text[1:-1]}")
    return _DNI_LETTERS[number % 23] == text[-1]


def codice_fiscale(text: str) -> bool:
    """Check the last letter of an Italian codice fiscale (DM 12 March 1974; DM 345/1976)."""
    total = 0
    for index, char in enumerate(text[:15]):
        value = int(char) if char.isdigit() else ord(char) - 65
        total += value if index & 1 else _CF_ODD[value]
    return chr(65 + total % 26) == text[15]


def steuer_id(digits: str) -> bool:
    """Check a German tax id: ISO 7064 MOD 11,10, and one digit of ten stands two or three times."""
    most = max(digits[:10].count(digit) for digit in set(digits[:10]))
    return most in {2, 3} and digits[0] != "0" and mod11_10(digits)


def nir(text: str) -> bool:
    """Check a French NIR with its key: 97 minus the number modulo 97; 2A and 2B are Corsica."""
    number = text[:13].replace("2A", "19").replace("2B", "18")
    return number.isdigit() and int(text[13:]) == 97 - int(number) % 97


def resident_id(text: str) -> bool:
    """Check a Chinese resident id: birth date and ISO 7064 MOD 11-2 (GB 11643-1999)."""
    return (
        text[6:8] in {"18", "19", "20"}
        and month_and_day(text[10:12], text[12:14])
        and mod11_2(text)
    )


def my_number(digits: str) -> bool:
    """Check a Japanese individual number (Internal Affairs ordinance 85 of 2014, art. 5)."""
    rest = weighted(digits[:11], (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2), 11)
    return int(digits[11]) == (0 if rest <= 1 else 11 - rest)


def cpf(digits: str) -> bool:
    """Check both digits of a Brazilian CPF; eleven equal digits are no CPF."""
    if len(set(digits)) == 1:
        return False
    for size in (9, 10):
        rest = weighted(digits[:size], range(size + 1, 1, -1), 11)
        if int(digits[size]) != (0 if rest <= 1 else 11 - rest):
            return False
    return True


def bsn(digits: str) -> bool:
    """Check a Dutch BSN: the eleven test, with minus one for the last digit."""
    return weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1), 11) == 0


def pesel(digits: str) -> bool:
    """Check a Polish PESEL: the weighted sum ends in zero; the month carries the century."""
    holds = weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1), 10) == 0
    return holds and month_and_day(f"{int(digits[2:4]) % 20:02}", digits[4:6])


def personnummer(digits: str) -> bool:
    """Check a Swedish personal or coordination number (SKV 704): Luhn and a date."""
    ten = digits[-10:]
    return luhn(ten) and month_and_day(ten[2:4], f"{int(ten[4:6]) % 60:02}")


def hetu(text: str) -> bool:
    """Check a Finnish identity code: nine digits modulo 31 name the last character."""
    digits = text[:6] + text[7:10]
    return month_and_day(text[2:4], text[:2]) and _HETU_LETTERS[int(digits) % 31] == text[10]


def nhs_number(digits: str) -> bool:
    """Check a British NHS number: modulus 11, a rest of 10 is never issued."""
    rest = 11 - weighted(digits[:9], range(10, 1, -1), 11)
    return int(digits[9]) == rest % 11


def tax_file_number(digits: str) -> bool:
    """Check an Australian tax file number of nine digits."""
    return weighted(digits, (1, 4, 3, 7, 5, 8, 6, 9, 10), 11) == 0


def rijksregister(digits: str) -> bool:
    """Check a Belgian national number: 97 minus the rest by 97; a 2 goes before from 2000 on."""
    return int(digits[9:]) in {97 - int(digits[:9]) % 97, 97 - int("2" + digits[:9]) % 97}


def tckn(digits: str) -> bool:
    """Check both last digits of a Turkish identity number."""
    odd, even = sum(map(int, digits[0:9:2])), sum(map(int, digits[1:8:2]))
    tenth = (odd * 7 - even) % 10
    return int(digits[9]) == tenth and sum(map(int, digits[:10])) % 10 == int(digits[10])


def resident_registration(digits: str) -> bool:
    """Check the date in a Korean registration number; its check digit ended in October 2020."""
    return month_and_day(digits[2:4], digits[4:6])
