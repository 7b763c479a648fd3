"""Whom a partner sees, filtered by the database."""
