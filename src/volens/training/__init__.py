"""Knows how a model is trained on what may be used, what it was trained on, and how it forgets.

It must never open content by itself (it asks the gate for a lease), never keep a checkpoint that
somebody's withdrawn records are in, and never call an approximation exact.
"""
