"""What to look at from time to time: rights that nobody uses, accounts that look shared, promotions proposed; joiners and leavers."""
