"""What rights were: every set row that a gesture closed or changed, who had access at an operation, and operations undone."""
