"""A portal with accounts and passwords of its own, linked to MAG once: who signs in on either side goes to the other without another.

    portail     pure: its settings, its accounts
    liens       what it keeps of the links: its accounts, and who each is at MAG
    mag         what it says to MAG: signed requests and assertions, and the API of links
    provider    its OpenID provider, which MAG asks
    views       pages

Documentation, demonstration and end-to-end fixture. Left out on purpose: refresh tokens, userinfo, several clients of its provider.
"""
