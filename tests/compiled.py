"""Compiled once for each process, since each test has its own application: templates, and maps of addresses.

What Jinja makes of a text, and Werkzeug of a list of rules, depends on nothing else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any

import pytest
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from werkzeug.routing import Map, Rule


class CompiledTemplates(BytecodeCache):
    """Pages as Jinja compiled them, for every application of this process."""

    def __init__(self) -> None:
        self.found: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if found := self.found.get(bucket.key + bucket.checksum):
            bucket.bytecode_from_string(found)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.found[bucket.key + bucket.checksum] = bucket.bytecode_to_string()


COMPILED = CompiledTemplates()


def key_of(rule: Rule) -> tuple[Any, ...]:
    """All that its maker gave."""
    own = (rule.rule, rule.endpoint, frozenset(rule.methods or ()), getattr(rule, "provide_automatic_options", None), repr(rule.defaults))
    common = (rule.subdomain, rule.host, rule.strict_slashes, rule.merge_slashes, rule.build_only, rule.alias, rule.websocket)
    return own + common + (rule.redirect_to,)


def unbound(rule: Rule) -> Rule:
    found = copy(rule)
    found.map = None  # type: ignore[assignment]  # as Werkzeug leaves a new one
    return found


@contextmanager
def maps_kept() -> Iterator[None]:
    """A map waits until it is asked for something, then shares what was made of the same rules; one more rule makes it another map."""
    kept: dict[Any, Any] = {}
    add, update = Map.add, Map.update

    def add_later(self: Any, rule: Any) -> None:
        self.__dict__.setdefault("given", []).append(rule)
        self._remap = True

    def update_once(self: Any) -> None:
        if not self._remap:
            return
        options = (self.merge_slashes, self.strict_slashes, self.default_subdomain, self.host_matching, tuple(self.converters.items()))
        given = self.__dict__.get("given", [])
        key = (options, tuple(map(key_of, given)))
        if key not in kept:
            made = Map(merge_slashes=self.merge_slashes, strict_slashes=self.strict_slashes, converters=self.converters)
            made.default_subdomain, made.host_matching = self.default_subdomain, self.host_matching
            for rule in given:
                add(made, unbound(rule))
            update(made)
            kept[key] = made
        made = kept[key]
        self._matcher, self._rules_by_endpoint, self._remap = made._matcher, made._rules_by_endpoint, False

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Map, "add", add_later)
        patched.setattr(Map, "update", update_once)
        yield
