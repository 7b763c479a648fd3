"""Names of the targets of an account, or of a company's people: searched among 300,000 of them in a few milliseconds.

An index over the names of the whole country would find other people's clients first, thousands for a common word. So names are kept
by source of rights (an account, a portfolio, an establishment that declares), each under its version: a client that is added makes one
portfolio read again, and nothing of what is found is ever older than what is written. What is found is a superset: rights, dates and
exclusions are asked by whoever shows it.
"""
