"""Coming back into an account whose password is lost: five ways (fact 40), each with its limit, its delay, its notices and its assurance.

What it does not own: the new password itself (`password_change.py`), second factors, which no way here removes.
"""
