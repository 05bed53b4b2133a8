"""The consent ledger: who said yes to what, on which notice, and when they took it back.

This room records choices and tells the state they add up to. It never decides a use: policy does.
"""
