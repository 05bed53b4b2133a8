"""Measurements: how fast the parts are, beside a bare floor and a peer.

This room knows how to time things fairly (interleaved rounds, medians, equal outputs). It must
never run on a home's own data, and nothing else may import it but a door.
"""
