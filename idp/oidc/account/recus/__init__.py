"""Receipts that MAG signed, read by anybody who was given one."""
