"""Authorizations given elsewhere than where they are asked: devices (RFC 8628), and the backchannel (CIBA).

What the person reads and answers is here; what the client polls is in `grants/`."""
