"""The targets of a whole company, for the view of rights by establishment."""
