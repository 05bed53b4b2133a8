"""The transparency log: an append-only Merkle tree in public formats that anybody can check.

This room knows trees, signed notes, checkpoints, tiles, proofs, witnesses and the closed list of
entry kinds. It must never hold a name, free text, a stable subject or conversation id or a bare
hash of private data, must never sign two trees that don't agree, and offers no way to delete.
"""
