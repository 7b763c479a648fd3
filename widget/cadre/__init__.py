"""The sign-in in a frame of a partner's page (`inline`): the password alone, for the clients that the registry gives it to.

    limites     pure: what never happens in a frame
    views       the frame itself

What holds it back: pages of that one client alone may hold it (`frame-ancestors`), the button waits until the browser says that
people see it, the code says a lower level (`levels.FRAMED`), no session opens in the browser, and whatever needs more than a
password, or says more than who it is, goes on in a window of MAG. Its cookies are partitioned (CHIPS): nothing passes from a site to
another.

Left out on purpose: passkeys, storage access, remembered identities. A session that every portal finds is opened in a window alone: its
cookie is `Lax`, which no frame may set, whatever access to storage it was given.
"""
