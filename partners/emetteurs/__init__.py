"""Who may send MAG security events: operators declare them, with keys, names of people, a policy. `idp/oidc/reception` receives."""
