"""Portfolios, as administrators compose them: list, container, clients, members, templates with the least rights."""
