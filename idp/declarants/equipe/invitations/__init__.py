"""Pages to invite somebody, and to accept an invitation."""
