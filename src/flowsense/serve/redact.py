"""No secret leaves in a line of the log: what is one by its name, its value or where it stands."""

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

HIDDEN = "[hidden]"
SHORTEST = 8  # characters of a value that is hidden wherever it stands
NAMED = re.compile(
    r"(?i)(?:^|[^a-z]|api)"
    r"(key|secret|token|password|passwd|credential|authorization|cookie|webhook|signature)s?$"
)
AFTER = re.compile(  # name=value, "name": "value", Bearer value
    r"(?i)((?:api[-_]?key|secret|token|password|passwd|signature)[\"']?\s*[=:]\s*[\"']?"
    r"|\b(?:bearer|basic)\s+)[^\s\"'&,;)}\]]+"
)
ADDRESS = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)(?:[^\s/@\"']*@)?([^\s/?#\"']+)[^\s\"'<>)]*")


def known(environment: Mapping[str, str]) -> frozenset[str]:
    """Values of variables that are named like secrets; of lists, their parts."""
    values = (value for name, value in environment.items() if NAMED.search(name))
    parts = (part.strip() for value in values for part in (value, *re.split(r"[,;\s]+", value)))
    return frozenset(part for part in parts if len(part) >= SHORTEST)


class Redact:
    """A processor of structlog, behind the one that writes exceptions down."""

    def __init__(self, secrets: frozenset[str]) -> None:
        longest = sorted(secrets, key=lambda s: (-len(s), s))
        self.values = re.compile("|".join(map(re.escape, longest))) if longest else None

    def __call__(
        self, logger: object, method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        return {name: self._clean(name, value) for name, value in event.items()}

    def _clean(self, name: str, value: object) -> object:
        if value is None or isinstance(value, bool | int | float):
            return value
        if NAMED.search(name):
            return HIDDEN
        if isinstance(value, Mapping):
            return {self.text(str(k)): self._clean(str(k), v) for k, v in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._clean("", each) for each in value]
        return self.text(value.decode(errors="replace") if isinstance(value, bytes) else str(value))

    def text(self, text: str) -> str:
        """Without secrets, what follows the name of one, and all of an address but its host."""
        if self.values is not None:
            text = self.values.sub(HIDDEN, text)
        text = ADDRESS.sub(r"\1\2", text)
        return AFTER.sub(rf"\1{HIDDEN}", text)
