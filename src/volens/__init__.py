"""Volens: train only on what people said yes to, and prove it."""

__version__ = "0.1.0"
