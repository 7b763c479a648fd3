"""Telling partners that a session ended: who took part in it, notices written with the fact, delivered by this process or a command."""
