"""Templates compiled once for each process: what Jinja makes of a text depends on nothing else, and each test has its own application."""

from jinja2 import BytecodeCache
from jinja2.bccache import Bucket


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
