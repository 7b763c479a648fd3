"""Evidence of the tokens made under agreements: rows that only grow, each with the digest of the former one of its chain."""
