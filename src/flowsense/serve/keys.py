"""Who may ask: keys from the environment or a file, kept as hashes alone.

A file holds a line for each key, its scope first: ``read KEY`` or ``admin KEY``. It is read again
whenever it changes, so that taking a line out revokes a key at once.
"""

import binascii
import os
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from hmac import compare_digest
from pathlib import Path
from secrets import token_bytes
from stat import S_IRWXG, S_IRWXO

from flowsense.errors import InputError

SCOPES = ("read", "admin")  # each holds those before it
VARIABLES = {"FLOWSENSE_READ_KEYS": "read", "FLOWSENSE_ADMIN_KEYS": "admin"}
FILE = "FLOWSENSE_KEYS_FILE"
FEWEST = 24  # letters
EVERYBODY = "local"
OFFERED = "flowsense.key."  # a subprotocol: a page can set no header of a WebSocket


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks."""

    name: str  # for logs and rates; nothing of the key can be found from it
    scope: str

    def may(self, scope: str) -> bool:
        return SCOPES.index(scope) <= SCOPES.index(self.scope)


@dataclass(slots=True)
class Keys:
    """Hashes of keys; none at all lets everybody do everything, which only loopback allows."""

    file: Path | None = None
    salt: bytes = field(default_factory=lambda: token_bytes(16), repr=False)
    given: tuple[tuple[bytes, str], ...] = field(default=(), repr=False)  # hash, scope
    read: tuple[tuple[bytes, str], ...] = field(default=(), repr=False)  # of the file
    stamp: tuple[int, int] = (0, 0)  # of the file as it was read: when changed, size

    @classmethod
    def of(cls, keys: Mapping[str, str], file: Path | None = None) -> "Keys":
        """keys: the scope of each. Raises InputError, naming the place and never a key."""
        made = cls(file)
        made.given = made._hashed((scope, key, "keys") for key, scope in keys.items())
        made._refresh(strict=True)
        return made

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Keys":
        """``FLOWSENSE_READ_KEYS``, ``FLOWSENSE_ADMIN_KEYS`` (commas between), and a file of more
        that ``FLOWSENSE_KEYS_FILE`` names. Raises InputError.
        """
        file = environment.get(FILE)
        made = cls(Path(file) if file else None)
        made.given = made._hashed(
            (scope, key.strip(), name)
            for name, scope in VARIABLES.items()
            for key in environment.get(name, "").split(",")
            if key.strip()
        )
        made._refresh(strict=True)
        return made

    @property
    def any(self) -> bool:
        """Whether a key is asked for: a file that holds none lets nobody in."""
        return bool(self.given) or self.file is not None

    def who(self, key: str) -> Who | None:
        """Whose key it is; None: nobody's. Takes as long for every key."""
        self._refresh(strict=False)
        digest, found = self._hash(key), None
        for known, scope in (*self.given, *self.read):
            if compare_digest(known, digest):
                found = Who(digest.hex()[:8], scope)
        return found

    def _hash(self, key: str) -> bytes:
        text = key.encode("utf-8", "surrogateescape")
        return blake2b(text, digest_size=32, key=self.salt).digest()

    def _hashed(self, keys: Iterable[tuple[str, str, str]]) -> tuple[tuple[bytes, str], ...]:
        found = []
        for scope, key, where in keys:
            if scope not in SCOPES:
                raise InputError(f"{where}: a scope is {' or '.join(SCOPES)}")
            if len(key) < FEWEST or not key.isascii() or not key.isprintable() or " " in key:
                raise InputError(
                    f"{where}: a key has {FEWEST} or more letters, digits and signs: "
                    "make one with `openssl rand -hex 32`"
                )
            found.append((self._hash(key), scope))
        return tuple(found)

    def _refresh(self, *, strict: bool) -> None:
        """Read the file again if it changed; where it cannot be read, none of its keys holds."""
        if self.file is None:
            return
        try:
            told = self.file.stat()
            if (told.st_mtime_ns, told.st_size) == self.stamp:
                return
            self.read, self.stamp = (), (0, 0)
            if told.st_mode & (S_IRWXG | S_IRWXO) and os.name == "posix":
                raise InputError(f"{self.file}: others may read it: `chmod 600 {self.file}`")
            self.read = self._hashed(lines(self.file))
            self.stamp = told.st_mtime_ns, told.st_size
        except (OSError, UnicodeDecodeError, InputError) as error:
            self.read, self.stamp = (), (0, 0)
            if strict and isinstance(error, InputError):
                raise
            if strict:
                raise InputError(f"{self.file}: cannot be read as a file of keys") from None


def lines(file: Path) -> Iterable[tuple[str, str, str]]:
    """(scope, key, where) of each line that says something."""
    for n, line in enumerate(file.read_text().splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 2:
            raise InputError(f"{file}, line {n}: write a scope and a key, like `read KEY`")
        yield words[0], words[1], f"{file}, line {n}"


def offered(subprotocols: str) -> str:
    """The key among them, as base64url without padding; empty: there is none."""
    for one in subprotocols.split(","):
        coded = one.strip().removeprefix(OFFERED)
        if coded != one.strip():
            try:
                return urlsafe_b64decode(coded + "=" * (-len(coded) % 4)).decode()
            except (binascii.Error, ValueError):
                return ""
    return ""
