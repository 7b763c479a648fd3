"""Acts of administrators on rights: each is simulated, confirmed, done as one operation, listed, and undone for 24 hours.

acte         what an act is; what a form says of it; one operation whatever it writes
simulation   who would gain and lose what: the act is done, looked at, and taken back
personnes    to give, withdraw, exclude, readmit
passation    to copy, transfer, give up, promote, undo
dossiers     to change portfolios
registre     acts by their names
models       operations of a company, and what they touched
"""
