"""Service providers of SAML 2.0: their registration from metadata, what each may be told, and the watch on what they publish."""
