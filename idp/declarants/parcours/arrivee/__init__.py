"""The end of an inscription: the mail's link, what comes of it, and the receipt."""
