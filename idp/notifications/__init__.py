"""Mails MAG sends: written to an outbox in the transaction of the fact, delivered later by a command."""
