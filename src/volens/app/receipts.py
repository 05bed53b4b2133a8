"""Receipts of erasures, issued from an opened home."""

from __future__ import annotations

from dataclasses import dataclass

from volens.app.home import Home
from volens.lifecycle.published import prove_published
from volens.lifecycle.receipt import Shown, issue_receipt, verify_receipt
from volens.lifecycle.receipt_outline import Outline, outline
from volens.lifecycle.sent import SentReceipts

CONTACT = "VOLENS_CONTACT"
"""The setting that says whom to ask about a receipt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A document that was issued just now, and what it shows."""

    data: bytes
    shown: Shown
    words: Outline


def issue(home: Home, reference: str, *, language: str, contact: str) -> Issued:
    """Issue what can be had now; what is only in the journal or not published is not claimed.

    Raises:
        NotFound: ``erasure_unknown``.
    """
    erasure = home.erasures.find(reference)
    evidence = home.erasures.evidence(erasure.id)
    verifier = home.signer.verifier
    data = issue_receipt(
        erasure,
        prove_published(home.folder / "log", verifier, evidence),
        contact=contact,
        issued=home.clock.now(),
        signer=home.signer,
    )
    shown = verify_receipt(data, verifier)
    return Issued(data=data, shown=shown, words=outline(shown, language=language))


def sent_receipts(home: Home) -> SentReceipts:
    """Return when receipts of erasures went out by e-mail."""
    return SentReceipts(home.main, home.recorder)
