"""How a company and its first administrator come in, page by page, and what they agree to on the way (facts 11-26).

Rights are given by `habilitations`, controls made by `controles`; candidates go on with `cooptation.py`.
"""
