"""The flat file of before MAG, one line a right: read, refused line by line, and compacted into sets without losing or adding a right."""
