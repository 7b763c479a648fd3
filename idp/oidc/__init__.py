"""OpenID Connect and OAuth 2.0: requests, codes, tokens, claims, metadata, logout.

What a partner may learn of rights is `habilitations.disclosure`'s."""
