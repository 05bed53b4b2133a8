"""The command line: how a person at a terminal asks, and how the answers read.

This room turns words into calls and values into words. It has no rules of its own, never compares a
consent status, and shows no conversation text unless asked with ``--show-content``.
"""
