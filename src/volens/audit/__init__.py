"""Looking at the whole house: every invariant on live data, and reports made from it.

It changes nothing it looks at and opens no content.
"""
