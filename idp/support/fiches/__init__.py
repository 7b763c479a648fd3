"""Cards of the directory that people say to be false (fact 14)."""
