"""The picture that an authenticator app reads."""

import re

import segno

from volens.web.codes import picture_of

ADDRESS = "otpauth://totp/Volens:ada?secret=ABCDEFGHIJKLMNOP&issuer=Volens"


def test_it_draws_every_dot_of_the_code_and_a_quiet_border() -> None:
    drawn = picture_of(ADDRESS)
    (size,) = re.findall(r'viewBox="0 0 (\d+) \1"', drawn)
    dots = [[0] * int(size) for _ in range(int(size))]
    (path,) = re.findall(r'stroke="#000" d="([^"]+)"', drawn)
    x, y = 0.0, 0.0
    for kind, numbers in re.findall(r"([Mmh])([-\d. ]+)", path):
        found = [float(one) for one in numbers.split()]
        if kind == "h":
            for at in range(int(x), int(x + found[0])):
                dots[int(y)][at] = 1
            x += found[0]
        else:
            x, y = (found[0], found[1]) if kind == "M" else (x + found[0], y + found[1])
    wanted = [list(row) for row in segno.make(ADDRESS, error="m", micro=False).matrix]
    assert [row[4:-4] for row in dots[4:-4]] == wanted
    assert not any(map(any, [*dots[:4], *dots[-4:]]))


def test_nothing_of_the_address_stands_in_it_as_text() -> None:
    drawn = picture_of('otpauth://totp/x?secret=ABCDEFGH&issuer="><script>alert(1)</script>')
    assert "script" not in drawn
    assert "ABCD" not in drawn
    assert re.fullmatch(r'[<>/="#. a-zA-Z0-9-]+', drawn)
