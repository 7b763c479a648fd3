"""Pages where a provider proves a person: at inscription, and in « Mon compte »."""
