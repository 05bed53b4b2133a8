"""The picture that an authenticator app reads (QR code, ISO/IEC 18004)."""

from __future__ import annotations

import segno
from markupsafe import Markup


def picture_of(address: str) -> Markup:
    """Return an address as an inline picture; dark on light in every scheme, or apps can't read it.

    It holds numbers and two colours: nothing of the address stands in it as text.
    """
    code = segno.make(address, error="m", micro=False)
    drawn = code.svg_inline(border=4, dark="#000", light="#fff", omitsize=True, svgclass=None)
    return Markup(drawn)  # noqa: S704 - made of numbers by the line above
