"""Mass files of rights (fact 54): exported, edited in a spreadsheet, checked line by line, applied in one operation, undone for a day.

A line says what one holder has from now on, on one target, for one service: a person's rights, or what a portfolio opens for a client.
Lines that change nothing are nothing; what the file does not speak of stays.

    statuts        pure: states of a file, and what may follow
    ecarts         pure: from what is written at a place and a line to what should be written
    messages       pure: mails to approvers and authors
    tableur        CSV and XLSX, both ways, bounded and without formulas
    lignes         a row of cells → a line, or the reason why not
    models         files, their lines, and the jobs with their lease
    places         what is written at many places, read and changed in bulk
    exportation    what exists, as a file
    releve         what a file would change: nothing is written
    depot          a file comes in
    accord         above a threshold, somebody else must agree
    traitement     what a job does: check, apply, undo; all or nothing
    ouvrier        the thread of a process that does the jobs, whoever left them
    views, commands, events

Left out on purpose: members of portfolios and new portfolios, which the pages of administration do.
"""
