"""From a partner to MAG without a new password: who is let in, as whom, and what the session that opens is worth."""
