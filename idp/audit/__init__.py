"""Audited facts: their catalogue and the append-only journal. Owns no decision; plain token issues go to the structured log instead."""
