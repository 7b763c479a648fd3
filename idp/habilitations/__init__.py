"""Who may do what for which establishment: services, rights, portfolios, exclusions, and what a partner may learn of them.

Rights are sets, never one row per right (docs/decisions/0004): a row is an account, or a portfolio, times one SIRET or
SIREN, with one mask of services per kind of right.

    droits          pure: kinds of right, masks, services and their inheritance, dated sets
    perimetre       pure: from the rows of a walk to targets with their rights
    fenetre         pure: how long a declaration counts
    chaine          pure: why yes or no, and what to ask whom
    disclosure      pure: the claims `hab` and `habilitations_flat`
    models          tables, and the statements of the hot path
    catalogue       the catalogue of services: from its file to the tables, from the tables to memory
    attribution     to give, withdraw, exclude
    portefeuilles   to open portfolios, add clients and members
    depart          what becomes of the rights of whoever leaves; `confies`, kept until somebody invited accepts
    decision        check, services, targets, disclosure: on held connections, without the ORM
    questions       many questions at once, who may
    transfert       to copy, transfer or give up all that an account holds (`depart` also closes the identity)
    historique      what rights were, who had access, operations undone
    plat            the flat file of before, and the promotions it proposes
    explication     why a decision is yes or no, for people who administer
    commands        `flask --app wsgi habilitations …`

Left out: who may administer whom (pages of administration), mass files of today.
"""
