"""Decisions asked by partners: OpenID AuthZEN Authorization API 1.0, as MAG's profile says (docs/partenaires.md)."""
