"""Knows how training data is made from written principles, by a model, without anybody's chats.

It must never read a conversation: it has no way to the gate, and its inputs are checked for what
was captured. Everything it writes is labelled as synthetic and says where it came from.
"""
