"""The wiring: the one place where stores, clock, keys and services meet.

A home is a folder with three stores that are backed up apart: the main database, the keys, and the
log. Key-encryption keys and the log's signing key lie in a custody folder outside it.

    HOME/volens.json        which home this is
    HOME/lock               held by the one process that writes
    HOME/main.db            subjects, choices, ciphertext
    HOME/journal/choices    negative choices, true once they are here
    HOME/keys/keys.db       wrapped keys
    HOME/log/               the transparency log, public static files
    HOME/policy/            the policy packs that were ever in force
    HOME/datasets/          what proofs need of the datasets built here
    HOME/witnesses.json     who cosigned the log, and what they signed last
"""
