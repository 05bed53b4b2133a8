"""What people may ask for: access, export, erasure and the other rights, with their deadlines.

The same rights on every plan: a plan may change the place in the queue, never the answer.
"""
