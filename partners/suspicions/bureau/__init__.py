"""The operators' pages of suspicious behaviours: beside the desk's own, since the desk knows no partner's room."""
