"""Inviting many people at once, from a file: read, checked line by line, sent once (fact 37)."""
