"""Who is inscribed: the person behind SIRET + nom + prénom, roles and statuses.

Rights live in `habilitations`, passwords in `authentication`.
"""
