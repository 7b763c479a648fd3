"""Companies: SIREN, SIRET, establishments, and the RCD (répertoire commun des déclarants) kept from INSEE's Sirene files.

`siret` holds the two numbers as types, `models` the directory and what inscription asks of it, `sirene` the layout of INSEE's
files, `stock` reads them record by record, `rcd` imports them. `data/` is a sample in that layout.

Left out on purpose: who is inscribed for a company (`declarants`), and INSEE's web API (a directory that is there when the
network is not is what fact 2 asks for).
"""
