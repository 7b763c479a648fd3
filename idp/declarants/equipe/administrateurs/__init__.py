"""Who administers my establishment, and how to write to them."""
