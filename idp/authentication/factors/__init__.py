"""Second factors: what a person holds besides a password (TOTP, passkeys, recovery codes), who must, and what is done when it is lost."""
