"""Charters that declarations ask for, such as the DSN's: texts shipped with MAG, and who accepted which, when, and how they had come in."""
