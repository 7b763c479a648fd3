"""Before signing up: word to the administrators of an establishment, without learning who they are; and « ces données sont fausses »."""
