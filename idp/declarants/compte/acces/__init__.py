"""How a person enters: their password, the sessions that are open, what happened at the door."""
