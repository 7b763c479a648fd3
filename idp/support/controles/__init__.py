"""Reviews of inscriptions that the controls could not settle, and the lists that they read."""
