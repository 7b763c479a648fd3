"""The embeddable login: `<mag-login>`, its releases, and the Federated Credential Management API that it speaks first.

    mag-login.js, mag-done.js   sources, which run as they are
    releases/                   what partners' pages load: one folder a version, never changed
    releases.py                 the list of releases, and their door
    publication.py              a release: smaller, measured, hashed
    fedcm.py                    the machine door of FedCM
    accounts.py                 whom the browser's chooser shows
    views.py                    pages that people read on the way

Owns no table: the sessions, the clients and the codes are those of the floors below.
"""
