"""From "who are you" to an SSO session: passwords, throttling, the ceremony of sign-in, sessions. Knows nothing of partners' protocols."""
