"""The cards of establishments that somebody administers, as they were last known: what the directory changes is told (fact 14)."""
