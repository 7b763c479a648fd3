"""People of a company, managed by its administrators: candidacies, keys by post, invitations, roles, departures (facts 27-39)."""
