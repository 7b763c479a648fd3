"""The embeddable login: `<mag-login>`, its releases, and the pages around it.

    mag-login.js, mag-done.js   sources, which run as they are
    releases/                   what partners' pages load: one folder a version, never changed
    releases.py                 the list of releases, and their door
    publication.py              a release: smaller, measured, hashed
    views.py                    pages that people read on the way

Owns no table: the sessions, the clients and the codes are those of the floors below.
"""
