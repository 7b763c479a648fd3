"""The identity provider: who is signing in, for which company, with which rights, and what a partner may learn of it.

Rooms are domains; inside a room files are kinds. A room imports only rooms of a lower rank:

    0  config, errors
    1  database, ephemeral, keys
    2  audit, notifications, entreprises
    3  declarants
    4  habilitations, authentication          (strangers to each other)
    5  oidc, saml                              (strangers to each other)
    6  support
    edge  views.py, endpoints.py, forms.py, http.py, commands.py: any room, imported by wsgi.py only

`tests/house/` holds these ranks; `docs/architecture.md` explains them.
"""
