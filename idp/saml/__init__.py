"""SAML 2.0 identity provider: requests verified, responses signed, sessions ended. The registry of service providers is `partners/saml`."""
