"""SCIM 2.0 for partners to whom a company entrusts its people: the directory, the acts, the page where an administrator decides."""
