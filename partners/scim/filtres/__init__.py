"""What a partner asks, in the words of SQL."""
