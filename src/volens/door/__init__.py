"""What all doors over HTTP share: who is asking, how errors are said, what every answer carries.

Knows: sessions and tokens as they come in a request, problems (RFC 9457), security headers, limits.
Never: a rule of its own about data; a page or a route of one door.
"""
