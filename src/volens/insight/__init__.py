"""Knows in figures who is in a dataset and who is not; never a single person, never what was said.

It must never show a group that is small enough to point at somebody.
"""
