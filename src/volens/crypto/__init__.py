"""Sealing, opening and losing keys.

Key service (KEKs, outside the home) -> epoch root -> key page of a person -> conversation key ->
record key. Only `gate` may import `opening`; nobody outside this room touches a key as bytes.
"""
