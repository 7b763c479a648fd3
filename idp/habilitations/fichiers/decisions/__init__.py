"""What becomes of a mass file once it is checked: applied, agreed to, dropped, undone."""
