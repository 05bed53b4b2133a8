"""The client for programs that ask Volens: typed, and closed when in doubt.

Knows: the REST door's routes. Never: takes silence, an error or an old answer for a yes.
"""
