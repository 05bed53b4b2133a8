"""The door for chat products: a proxy that captures what a person's settings allow.

Knows: the wire formats of chat requests, spans and webhooks. Never: keeps what the settings don't
allow; forwards a request for a prohibited use; writes content to a log or a message.
"""
