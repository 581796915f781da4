"""Databento's gateway on the loopback address: a DBN file, told as its live protocol tells it.

It greets, checks the answer to its challenge, takes subscriptions, and on `start_session` sends the
file's metadata, a symbol mapping for each id of them, and the records, in pieces of any size.
"""

import asyncio
from collections.abc import Callable, Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from struct import pack
from typing import Self

import numpy as np
import pyarrow as pa

from flowsense.sources.dbn_files import opened
from flowsense.sources.dbn_metadata import COUNT, FRAME, Metadata

VERSION = "0.6.3"
LIMIT = 1 << 16  # bytes of a line
MAPPING, WORD = 0x16, 4
SYSTEM = 0x17


class Recording:
    """A file as the gateway sends it."""

    def __init__(self, path: Path) -> None:
        raw = path.read_bytes()
        if raw.startswith(FRAME):
            raw = pa.CompressedInputStream(pa.BufferReader(raw), "zstd").read()
        (length,) = COUNT.unpack_from(raw, 4)
        with opened(path) as (metadata, _, _):
            self.metadata: Metadata = metadata
        schema = slice(8 + 16, 8 + 18)  # of the metadata: live ones name none
        self.head = raw[: schema.start] + b"\xff\xff" + raw[schema.stop : 8 + length]
        self.records = raw[8 + length :]

    def mappings(self) -> bytes:
        """Of each id, before the first record."""
        spans = self.metadata.mappings.items()
        return b"".join(mapping(number, told[-1].symbol) for number, told in sorted(spans))

    @property
    def whole(self) -> bytes:
        return self.head + self.mappings() + self.records


def mapping(number: int, symbol: str) -> bytes:
    """A record of DBN 2 and 3."""
    name = symbol.encode()
    return pack(
        "<BBHIQB71sB71sQQ", 176 // WORD, MAPPING, 0, number, 0, 12, name, 12, name, 0, 2**63 - 1
    )


def heartbeat() -> bytes:
    return pack("<BBHIQ303sB", 320 // WORD, SYSTEM, 0, 0, 0, b"Heartbeat", 0)


def failure(text: str, code: int) -> bytes:
    """An error record."""
    return pack("<BBHIQ302sBB", 320 // WORD, 0x15, 0, 0, 0, text.encode(), code, 1)


class Conversation:
    """One client's, without a socket: lines in, bytes out."""

    def __init__(self, recording: Recording, key: str, challenge: str) -> None:
        self.recording, self.key, self.challenge = recording, key, challenge
        self.let_in, self.over = False, False
        self.subscriptions = list[dict[str, str]]()

    def greeting(self) -> bytes:
        return f"lsg_version={VERSION}\ncram={self.challenge}\n".encode()

    def line(self, text: str) -> bytes:
        """What is answered."""
        fields = dict(part.partition("=")[::2] for part in text.strip().split("|"))
        if "auth" in fields:
            return self.authenticate(fields["auth"])
        if not self.let_in:
            self.over = True
            return b"success=0|error=Not authenticated\n"
        if "schema" in fields:
            self.subscriptions.append(fields)
        elif "start_session" in fields:
            return self.recording.whole + heartbeat()
        return b""

    def authenticate(self, answer: str) -> bytes:
        wanted = sha256(f"{self.challenge}|{self.key}".encode()).hexdigest() + "-" + self.key[-5:]
        self.let_in = answer == wanted
        self.over = not self.let_in
        return b"success=1|session_id=1\n" if self.let_in else b"success=0|error=Unknown key\n"


def cut(data: bytes, size: int, rng: np.random.Generator) -> Iterator[bytes]:
    """Pieces of 1 to `size` bytes."""
    file = BytesIO(data)
    while piece := file.read(int(rng.integers(1, size + 1))):
        yield piece


class Gateway:
    """Serves a recording to any number of clients; `served` counts them.

    Args:
        key: that is taken.
        size: most bytes that are sent at a time.
        breaks: bytes of a session after which the connection is lost, by its number from 0; None:
            when all is told, and the client hangs up.
    """

    def __init__(
        self,
        recording: Recording,
        key: str,
        *,
        size: int = 4_096,
        seed: int = 0,
        breaks: Callable[[int], int | None] = lambda session: None,
    ) -> None:
        self.recording, self.key, self.size, self.seed = recording, key, size, seed
        self.breaks, self.served, self.heard = breaks, 0, list[str]()

    async def __aenter__(self) -> Self:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, limit=LIMIT)
        return self

    async def __aexit__(self, *error: object) -> None:
        self.server.close()

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session, self.served = self.served, self.served + 1
        rng, end = np.random.default_rng((self.seed, session)), self.breaks(session)
        talk = Conversation(self.recording, self.key, f"challenge{session}")
        writer.write(talk.greeting())
        try:
            while not talk.over and (line := await reader.readline()):
                self.heard.append(line.decode())
                for piece in cut(talk.line(line.decode())[:end], self.size, rng):
                    writer.write(piece)
                    await writer.drain()
                if end is not None and "start_session" in self.heard[-1]:
                    break
        except ConnectionError:
            pass
        finally:
            writer.close()
