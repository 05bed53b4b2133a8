"""Dataset builds, manifests, proofs and verification, all through the gate."""
