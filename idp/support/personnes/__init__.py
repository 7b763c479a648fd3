"""Looking a person up, and what an operator may do about them."""
