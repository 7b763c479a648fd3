"""The page of candidates: where their request stands, the key by post."""
