"""The pages: a person's dashboard and the staff's console, made on the server.

Knows: how things are shown, and in which language. Never: a rule of its own; a script that is
needed; a request to anywhere else.
"""
