"""What must stay for a while, and what is on its way out: holds and the state of erasures.

The gate reads this room before it decides. It erases nothing itself: `lifecycle` does.
"""
