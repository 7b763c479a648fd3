"""What MAG keeps about a person, taken away as a file; and what they agreed to be sent."""
