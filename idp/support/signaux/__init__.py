"""Streams of events of partners: what waits, what failed, and acting on it."""
