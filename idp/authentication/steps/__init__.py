"""The pages between a password (or a passkey) and a session: second factor, password to change, terms of use, protection to add."""
