"""The rules: policy packs, decisions, their table, and what they mean in plain language.

This room knows what a pack permits and why. It must never read a clock, a store or a ledger, never
see conversation text, and never answer with a permit when anything in the question or the pack is
unclear.
"""
