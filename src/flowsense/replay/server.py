"""The venue on a port of the loopback address: WebSocket and REST, paced by a recording."""

import asyncio
from collections.abc import Coroutine
from math import inf
from typing import Protocol, Self, runtime_checkable

from aiohttp import WSCloseCode, WSMsgType, web

from flowsense.replay import Said, Speaker
from flowsense.replay.feed import Feed, Lines, Moment
from flowsense.replay.seat import Seat
from flowsense.schema import SECOND
from flowsense.wall import elapsed, pause, within

HOST = "127.0.0.1"
PING = 20.0  # s between pings, which must be answered in half of that
RUN = 64  # moments, after which others are let in, however late we are
LARGEST = 1 << 20  # bytes of a message or a request of a client


@runtime_checkable
class Verbatim(Protocol):
    """A Speaker that can be fed with what its venue has said, too."""

    def begins(self, instrument: int, snapshot: bytes) -> None: ...
    def recorded(self, instrument: int, ts: int, body: bytes) -> list[Said]: ...


class Replay:
    """``async with Replay(feed, speaker) as venue:`` serves at `venue.stream` and `venue.rest`.

    Args:
        feed: the recording; `feed.feed` makes it of a source.
        speed: times its own pace; inf: as fast as the clients take it.
        at_once: begin without a client; else when the first has subscribed to something.
        hang_up: when the recording has ended, so have the connections (1001).
        port: 0: the system's choice.
    """

    def __init__(
        self,
        feed: Feed,
        speaker: Speaker,
        *,
        speed: float = 1.0,
        at_once: bool = False,
        hang_up: bool = False,
        port: int = 0,
    ) -> None:
        self.feed, self.speaker, self.speed = feed, speaker, speed
        self.seats = set[Seat]()
        self.hang_up = hang_up
        self.begun, self.ended = asyncio.Event(), asyncio.Event()
        self.port, self.moments, self.served = port, 0, 0
        self.tasks = set[asyncio.Task[None]]()
        if at_once:
            self.begun.set()
        app = web.Application(client_max_size=LARGEST)
        app.router.add_route("*", "/{path:.*}", self._request)
        self.runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1)

    @property
    def stream(self) -> str:
        """Address of the WebSocket; a venue's paths stand behind it."""
        return f"ws://{HOST}:{self.port}"

    @property
    def rest(self) -> str:
        return f"http://{HOST}:{self.port}"

    async def __aenter__(self) -> Self:
        if isinstance(self.feed, Lines) and isinstance(self.speaker, Verbatim):
            for k, snapshot in enumerate(self.feed.snapshots()):
                self.speaker.begins(k, snapshot)
        await self.runner.setup()
        await self._listen()
        self._task(self._play())
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for seat in [*self.seats]:
            await self._goodbye(seat)
        await self.runner.cleanup()

    async def _listen(self) -> None:
        site = web.TCPSite(self.runner, HOST, self.port, reuse_address=True)
        await site.start()
        assert self.runner.addresses
        self.port = int(self.runner.addresses[0][1])

    def _task(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _goodbye(self, seat: Seat) -> None:
        """1001, and no longer waiting for an answer than a second."""
        seat.leave()
        try:
            async with within(1.0):
                await seat.socket.close(code=WSCloseCode.GOING_AWAY)
        except TimeoutError:
            seat.transport.abort()

    async def _request(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._connect(request)
        body = self.speaker.get(request.path_qs)
        if body is None:
            raise web.HTTPNotFound
        return web.Response(body=body, content_type="application/json")

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(heartbeat=PING, compress=False, max_msg_size=LARGEST)
        await socket.prepare(request)
        assert isinstance(request.transport, asyncio.Transport)
        seat = Seat(socket, request.transport)
        self.seats.add(seat)
        self.served += 1
        sending = asyncio.create_task(seat.run())
        try:
            self._answer(seat, self.speaker.connected(seat.client, request.path_qs))
            async for message in socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    data = message.data
                    said = data.encode() if isinstance(data, str) else data
                    self._answer(seat, self.speaker.asked(seat.client, said))
        finally:
            self.seats.discard(seat)
            seat.leave()
            await sending
        return socket

    def _answer(self, seat: Seat, frames: list[bytes]) -> None:
        for frame in frames:
            seat.put(frame)
        if seat.client.topics:
            self.begun.set()

    async def _play(self) -> None:
        await self.begun.wait()
        begin, first = elapsed(), -1
        for moment in self.feed:
            first = moment.ts if first < 0 else first
            due = begin + (moment.ts - first) / SECOND / self.speed
            await self._until(due)
            self._say(moment)
            self.moments += 1
        for seat in [*self.seats]:
            await seat.room(0)
        self.ended.set()
        if self.hang_up:
            await asyncio.gather(*map(self._goodbye, self.seats))

    async def _until(self, due: float) -> None:
        if self.speed == inf:
            for seat in [*self.seats]:
                await seat.room()
            await pause(0)  # each, so that a snapshot is of about now
        elif due > elapsed():
            await pause(due - elapsed())
        elif self.moments % RUN == 0:
            await pause(0)

    def _say(self, moment: Moment) -> None:
        what, k = moment.what, moment.instrument
        if not isinstance(what, bytes):
            said = self.speaker.tell(what)
        else:
            assert isinstance(self.speaker, Verbatim), "who makes the feed knows its speaker"
            said = self.speaker.recorded(k, moment.ts, what)
        for one in said:
            for seat in self.seats:
                if one.topic in seat.client.topics:
                    seat.put(self.speaker.frame(seat.client, one))
