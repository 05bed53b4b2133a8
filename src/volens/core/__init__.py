"""The vocabulary: ids, time, canonical bytes, purposes, regions, errors.

This room does no I/O, reads no clock, draws no randomness and imports no other room.
"""
