"""The REST door: JSON in and out, described by OpenAPI 3.1.

Knows: routes, their bodies and their answers. Never: a rule of its own; a field in an answer that
its model does not name.
"""
