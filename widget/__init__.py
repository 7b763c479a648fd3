"""The embeddable login. Empty until its own change; the rank exists because `wsgi.py` composes it above `partners`."""
