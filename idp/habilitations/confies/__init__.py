"""Rights entrusted to an administrator until the person invited to take them over accepts."""
