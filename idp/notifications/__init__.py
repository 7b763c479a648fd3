"""Mails and letters: written to an outbox in the transaction of the fact, delivered or printed later. Owns paper, and what comes back."""
