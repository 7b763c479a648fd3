"""Agreements between bodies: who may act at whom, until when, and in which words. The value itself is `habilitations/pagm.py`'s."""
