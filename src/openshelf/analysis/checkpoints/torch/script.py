"""Which attributes of a TorchScript module are weights: its code says so in two lists, which are read as text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from openshelf.analysis.checkpoints.checkpoint import Role
from openshelf.analysis.checkpoints.containers.zip_directory import read_member
from openshelf.analysis.checkpoints.errors import UnreadableCheckpoint
from openshelf.analysis.checkpoints.pickles.values import Opaque, Token, Value
from openshelf.analysis.checkpoints.torch.archive import TorchArchive

_MAX_CODE = 4 * 1024 * 1024
_MAX_CODE_READ = 64 * 1024 * 1024
_LISTS = re.compile(
    r"^class (\w+)\(Module\):\n  __parameters__ = \[([^\]\n]*)\]\n  __buffers__ = \[([^\]\n]*)\]", re.MULTILINE
)
_NAME = re.compile(r'"([^"]*)"')


@dataclass(slots=True)
class ScriptRoles:
    """Roles of the attributes of modules of one archive; its code is read class by class, and at most 64 MiB of it."""

    archive: TorchArchive
    _known: dict[str, dict[str, frozenset[str]]] = field(default_factory=dict)
    _read: int = 0

    def of(self, node: Opaque, attribute: str, value: Value, role: Role) -> Role:
        """The role of an attribute that is a tensor: STATE where the module lists it neither way."""
        if role is not Role.WEIGHT or not isinstance(node.call, Token) or not node.call.module.startswith("__torch__"):
            return role
        weights = self._weights(node.call)
        is_module = isinstance(value, Opaque) and value.name.startswith("__torch__")
        return role if weights is None or attribute in weights or is_module else Role.STATE

    def _weights(self, token: Token) -> frozenset[str] | None:
        if token.module not in self._known:
            self._known[token.module] = self._classes(token.module)
        return self._known[token.module].get(token.name)

    def _classes(self, module: str) -> dict[str, frozenset[str]]:
        called = f"{self.archive.root}/code/{module.replace('.', '/')}.py"
        member = self.archive.directory.members.get(called)
        if member is None or member.size > _MAX_CODE or self._read + member.size > _MAX_CODE_READ:
            return {}
        self._read += member.size
        try:
            code = read_member(self.archive.file, self.archive.directory, called, _MAX_CODE).decode("utf-8", "replace")
        except UnreadableCheckpoint as error:
            self.archive.problems.append(error.reason)
            return {}
        found = _LISTS.findall(code)
        return {
            name: frozenset(_NAME.findall(parameters) + _NAME.findall(buffers)) for name, parameters, buffers in found
        }
