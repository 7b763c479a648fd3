"""« Mon compte »: what a person does with their own identity. Owns the change of address; not passwords, factors nor sessions."""
