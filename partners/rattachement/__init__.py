"""Accounts of MAG and of a partner linked once, by whoever holds both; then navigation from one to the other without a new password."""
