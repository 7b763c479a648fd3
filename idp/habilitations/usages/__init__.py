"""When a partner last asked what somebody may do on a service, and was told something: rights that serve, and those that do not.

One day a person and a service, written by a thread beside the requests, at most once a day: tokens and decisions cost no statement more.
Left out on purpose: which establishment it was for, which partner asked, and how often.
"""
