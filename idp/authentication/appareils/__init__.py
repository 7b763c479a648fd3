"""Pages about the devices of a person: those that they trust, and « ce n'était pas moi », said from a mail."""
