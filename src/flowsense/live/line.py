"""A TCP connection that is used like a WebSocket: what arrives together is a message."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import NamedTuple, Self
from urllib.parse import urlsplit

import aiohttp

TCP = "tcp://"
PIECE = 1 << 16  # bytes
# Seconds of silence, seconds between questions, and how many: whether the other machine is there,
# which a protocol without pings does not ask, is known after three.
KEEPALIVE = {"TCP_KEEPIDLE": 1, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 2}


class Piece(NamedTuple):
    """Of a stream, as aiohttp has messages."""

    data: bytes | Exception
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
        line = cls(*await asyncio.open_connection(place.hostname, place.port))
        own = line.writer.get_extra_info("socket")
        for name, value in KEEPALIVE.items():
            if hasattr(socket, name):
                own.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return line

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
