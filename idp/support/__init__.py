"""The operators' desk: who works there, and what they do about people that no page of theirs can settle.

A separate application, answered on a host of its own (`MAG_DESK_URL`): nothing of it is reachable from the public host, and no
partner knows it. Owns operators and their sessions. Statuses, rights, recoveries and letters belong to their rooms.
"""
