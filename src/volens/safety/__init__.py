"""Flags, cases and reviews: the few ways in which people may look at what others wrote.

Knows: what was flagged or reported, which case is open on it, who looks at it and until when.
Never: opens anything by itself (it asks the gate); looks at whole accounts.
"""
