"""Pages of rights, for administrators and for whoever holds them: rights seen three ways, acts shown before they are done, undone after.

    portee      what an administrator may look at and change: asked here, and nowhere else
    saisie      what the address of a page says: filters, ticks, a place in a list
    cellules    what is effective at one place, and what gives it, in words
    lecture     the rights of a person, of an establishment, of a service, a page at a time
    models      the statements of these pages
    views       rights seen three ways, why, one's own rights
    gestes      acts: simulated, confirmed, listed, undone
    dossiers    portfolios: templates, lists, forms
    entreprise  the targets of a whole company
    suivi       promotions proposed, rights that nobody uses

Left out: mass files; what partners ask.
"""
