"""What is written for many holders on many targets, read and changed in a few statements."""
