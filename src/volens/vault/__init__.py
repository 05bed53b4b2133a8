"""Sealed conversations: what is held, for whom, in which state.

This room stores ciphertext and metadata. It can seal; it can't open: only the gate can.
"""
