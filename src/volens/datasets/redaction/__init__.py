"""Finds personal data in texts that may already be used, and puts typed placeholders in its place.

This room never decides whether a text may be used: redaction does not replace consent (R93). It
never claims to have looked for names when no name model is installed.
"""
