"""Schedules, erasure and its receipts: what goes when, how, and the proof that it went.

It never opens content and never issues a receipt before the deed.
"""
