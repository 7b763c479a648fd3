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
    gesture         what all changes of rights share: who, when, the rules they keep, the traces they leave
    attribution     to give, withdraw, exclude; `lots`, on many targets at once
    portefeuilles   to open portfolios, add clients and members; `scission`, to split a large one
    premiers_droits the first rights of whoever inscribes their company
    depart          what becomes of the rights of whoever leaves; `confies`, kept until somebody invited accepts
    decision        check, services, targets, disclosure: on held connections, without the ORM
    questions       many questions at once, who may
    souvenir        decisions that a process remembers, under the version of the rights; `memoire` bounds what it keeps
    pagm            pure: what an agreement between two bodies lets a token say
    annuaire        names of the targets of an account, searched among 300,000
    choix           the establishment that somebody picks among those where they hold rights
    usages          the last day each service served, for whom
    transfert       to copy, transfer or give up all that an account holds (`depart` also closes the identity)
    historique      what rights were, who had access, operations undone
    espace          the pages of administration: rights by person, establishment and service, acts with their preview, portfolios, what to
                    look at from time to time; who may administer whom (`portee`)
    fichiers        mass files, and acts too large for a page: checked, agreed to, applied in one operation, undone
    plat            the flat file of before, and the promotions it proposes
    explication     why a decision is yes or no, for people who administer
    commands        `flask --app wsgi habilitations …`

Left out: what a partner is told, and how it asks (`oidc`, `partners`); who is inscribed, and with which role (`declarants`).
"""
