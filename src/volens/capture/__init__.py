"""Importers: other products' exports in, captured conversations out.

This room knows the shapes of exports. It must never store anything, open anything sealed, read a
grant out of a file, or let conversation text into a message or a place.
"""
