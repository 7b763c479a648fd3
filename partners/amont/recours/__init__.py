"""A lost password, and the account of a provider that proved its owner: the pages. What is decided is in `idp/authentication/recours`."""
