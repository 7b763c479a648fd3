"""The departure wizard: what becomes of somebody's rights, then the end of their account."""
