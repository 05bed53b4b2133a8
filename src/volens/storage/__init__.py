"""Engines, files, locks and the journal: bytes and rows made durable, without domain words."""
