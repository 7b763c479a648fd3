"""The establishment that somebody picks among those where they hold rights: found by name or number, the last ones picked first."""
