"""A TCP connection that is used like a WebSocket: what arrives together is a message."""

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple, Self
from urllib.parse import urlsplit

import aiohttp

TCP = "tcp://"
PIECE = 1 << 16  # bytes


class Piece(NamedTuple):
    """Of a stream, as aiohttp has messages."""

    data: bytes
    type: aiohttp.WSMsgType = aiohttp.WSMsgType.BINARY


class Line:
    """Bytes in both directions."""

    close_code: int | None = None

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, address: str) -> Self:
        """Of ``tcp://host:port``."""
        place = urlsplit(address)
        return cls(*await asyncio.open_connection(place.hostname, place.port))

    @property
    def closed(self) -> bool:
        return self.writer.is_closing()

    async def send_str(self, text: str) -> None:
        self.writer.write(text.encode())
        await self.writer.drain()

    async def close(self) -> None:
        self.writer.close()

    async def __aiter__(self) -> AsyncIterator[Piece]:
        while not self.closed and (data := await self.reader.read(PIECE)):
            yield Piece(data)
