"""What is checked of whoever inscribes a company, before the identity becomes active (facts 73-78).

Rules are small, pure, and listed as data in `registre.py`: one more check is one more line there. Each says what it looked at.
Owns the lists that the rules read (allowed, refused, links of declarations, Tableau de l'Ordre, representatives) and what was
found of each person. Does not own what follows from a verdict: a status moves along the table of `statuts.py` alone.
"""
