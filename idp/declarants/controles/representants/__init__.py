"""The agreement of a legal representative to a first administrator who is not one (fact 75): asked, answered, its page."""
