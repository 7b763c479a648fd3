"""`mag demo`: MAG, three portals and a mail catcher on this machine, with people to try, in one command.

    lieux       pure: names, addresses and ports
    secrets     what the installation made for itself, kept in its folder
    population  companies, people, rights, partners: from `donnees/` to the database
    portails    the settings files of the portals
    processes   children: started, watched, stopped
    mails       the mail catcher
    commands    the command

Never for production: passwords are printed, throttles are lifted. Everything is in one folder, `var/demo`; deleting it starts anew.
"""
