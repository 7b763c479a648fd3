"""Recoveries of accounts by the assistance: two operators, four eyes."""
