"""Several identities of one person, one for each SIRET: linked once with both passwords, then changed without typing one again."""
