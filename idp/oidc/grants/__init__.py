"""One file a grant, on Authlib's classes."""
