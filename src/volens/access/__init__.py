"""Who may come in: sign-in accounts, sessions, tokens, staff roles, and exception objects.

Knows: how somebody proves who they are, which role a member of staff has and until when, and which
exceptions are open. Never: what anybody said; a decision about a use (policy decides, the gate
asks).
"""
