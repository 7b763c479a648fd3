"""Security events that others send MAG: who may send them, what each one may cause, what was received, and what was done about it."""
