"""Suspicious behaviours that bodies tell one another about a token (InterOPS), those received and those told."""
