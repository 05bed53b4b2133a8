"""Makes training data from written principles: draft, critique, revision, pairs, all synthetic.

Knows: constitutions, prompts that no person wrote in a chat, writers, judges that passed a gate.
Never: has a way to a home. It imports neither gate nor vault, capture or consent (an import
contract), so what people said can't come in from there; what it refuses of files that are handed to
it, and what it can't notice, stands in docs/formats/principles.md.
"""
