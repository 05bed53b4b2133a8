"""The one place where plaintext comes to be: decide, log, and only then ask for keys.

Everything that uses data calls the gate. It compares no consent status itself: policy decides.
"""
