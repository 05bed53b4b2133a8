"""The process that owns a home and serves all doors: thread, schedule, workers, shutdown.

Knows: which doors there are and what has to happen by itself. Never: a rule of its own.
"""
