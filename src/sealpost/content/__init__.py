"""Encrypted, append-only message content: what a sender submitted, kept until it is erased."""
