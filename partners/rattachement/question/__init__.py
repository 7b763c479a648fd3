"""Before two accounts are linked: both are proved, then one page names them and waits for a yes or a no."""
