"""One client at the venue: what waits to be sent to it, in order, and how much that may be."""

import asyncio
from collections import deque
from contextlib import suppress

from aiohttp import WSMsgType, web

from flowsense.replay import Client

ENOUGH = 64 << 10  # bytes that wait, where sending is as fast as clients take it
MOST = 8 << 20  # bytes that wait; who lets more lie is cut off, as venues do


class Seat:
    """Of a connection that stands. `run` sends until nobody is there."""

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport) -> None:
        self.socket, self.transport, self.client = socket, transport, Client()
        self.waiting, self.bytes, self.gone = deque[tuple[bytes, WSMsgType]](), 0, False
        self.more, self.less = asyncio.Event(), asyncio.Event()

    @property
    def full(self) -> bool:
        return self.bytes > ENOUGH

    def put(self, frame: bytes, kind: WSMsgType = WSMsgType.TEXT) -> None:
        if self.gone:
            return
        self.waiting.append((frame, kind))
        self.bytes += len(frame)
        self.more.set()
        if self.bytes > MOST:
            self.leave()
            self.transport.abort()

    async def room(self, enough: int = ENOUGH) -> None:
        """Until no more bytes wait than that, or nobody is there."""
        while self.bytes > enough and not self.gone:
            self.less.clear()
            await self.less.wait()

    async def run(self) -> None:
        with suppress(ConnectionError):
            while not self.gone:
                self.more.clear()
                while self.waiting and not self.gone:
                    frame, kind = self.waiting.popleft()
                    await self.socket.send_frame(frame, kind)
                    self.bytes -= len(frame)
                    self.less.set()
                await self.more.wait()
        self.leave()

    def leave(self) -> None:
        """Nothing is sent any more."""
        self.gone = True
        self.more.set()
        self.less.set()
