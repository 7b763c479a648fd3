"""Shared Signals: what happens to an account, told to the partners that know it, as security events that they are sent or come to fetch."""
