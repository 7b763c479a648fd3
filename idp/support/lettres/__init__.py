"""Letters that an operator prints and posts."""
