"""Transmitters at the desk: what each one sent, what was done, what it may cause, an alert."""
