"""From what happened to an account to the rows of an outbox: who knows the person, who hears of them."""
