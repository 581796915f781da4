"""The venue on a port of the loopback address: WebSocket and REST, paced by a recording."""

import asyncio
import socket as sockets
import struct
from collections.abc import Callable, Collection, Coroutine
from copy import deepcopy
from math import ceil, inf
from os import strerror
from typing import Protocol, Self, runtime_checkable

from aiohttp import WSCloseCode, WSMsgType, web

from flowsense.errors import InputError
from flowsense.replay import Said, Speaker
from flowsense.replay.binance_orders import Orders
from flowsense.replay.counter import answered, given
from flowsense.replay.faults import Step
from flowsense.replay.feed import Feed, Lines, Told
from flowsense.replay.seat import Seat
from flowsense.replay.trouble import Frames, Sent, Trouble
from flowsense.schema import SECOND
from flowsense.sources.venues.decoder import NOT_UNDERSTOOD
from flowsense.wall import elapsed, pause, within

HOST = "127.0.0.1"
PING = 20.0  # s
RUN = 64  # moments, after which others are let in, however late we are
LARGEST = 1 << 20  # bytes of a message or a request of a client
LATE = "late"  # tasks that still send something
AGAIN = (418, 429, 503)  # statuses that say when
RST = struct.pack("ii", 1, 0)  # SO_LINGER: nothing is waited for


@runtime_checkable
class Verbatim(Protocol):
    """A Speaker that can be fed with what its venue has said, too."""

    def begins(self, instrument: int, snapshot: bytes) -> None: ...
    def recorded(self, instrument: int, ts: int, body: bytes) -> list[Said]: ...


@runtime_checkable
class Renumbered(Protocol):
    """A Speaker whose ids can begin again."""

    def renumber(self, instrument: int) -> None: ...


@runtime_checkable
class Behind(Protocol):
    """A Speaker at whose door the address of the stream is given."""

    stream: str


class Replay:
    """``async with Replay(feed, speaker) as venue:`` serves at `venue.stream` and `venue.rest`.

    Args:
        feed: the recording; `feed.feed` makes it of a source.
        speed: times its own pace; inf: as fast as the clients take it.
        faults: of `faults.read`, `faults.script` or `faults.random`.
        at_once: begin without a client; else when the first has subscribed to something.
        hang_up: when the recording has ended, so have the connections (1001).
        port: 0: the system's choice.
        errs: told of each fault when it begins.
    """

    def __init__(
        self,
        feed: Feed,
        speaker: Speaker,
        *,
        speed: float = 1.0,
        faults: Collection[Step] = (),
        at_once: bool = False,
        hang_up: bool = False,
        port: int = 0,
        errs: Callable[[Step], object] = lambda step: None,
    ) -> None:
        if not speed > 0:
            raise InputError(f"speed {speed}: give a number above 0, or inf")
        self.feed, self.speaker, self.speed = feed, speaker, speed
        self.orders: Orders | None = None  # the order side, for who sets it
        self.verbatim = speaker if isinstance(speaker, Verbatim) else None
        self.symbols = tuple(i.symbol for i in feed.instruments)
        self.trouble, self.hang_up, self.port = Trouble(faults), hang_up, port
        self.errs = errs
        # told of each connection: True when it stands, False when it is gone
        self.heeds: Callable[[bool], object] = lambda here: None
        if any(s.do == "renumber" for s in faults) and not isinstance(speaker, Renumbered):
            raise InputError("fault renumber: this venue's ids cannot: leave the step out")
        self.stale: Speaker | None = None  # as it was when such a fault began
        self.seats, self.moments, self.served = set[Seat](), 0, 0
        self.begun, self.ended = asyncio.Event(), asyncio.Event()
        self.begin = 0.0  # s of the clock
        self.tasks, self.failed = set[asyncio.Task[None]](), list[BaseException]()
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
        if isinstance(self.feed, Lines) and self.verbatim is not None:
            for k, snapshot in enumerate(self.feed.snapshots()):
                self.verbatim.begins(k, snapshot)
        await self.runner.setup()
        await self._listen()
        if isinstance(self.speaker, Behind):
            self.speaker.stream = self.stream
        self._task(self._ping())
        self.playing = self._task(self._play())
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await asyncio.gather(*map(self._goodbye, self.seats))
        await self.runner.cleanup()

    async def over(self) -> None:
        """Until the recording has ended. Raises InputError where it cannot go on."""
        await asyncio.wait([self.playing])
        for error in self.failed:
            raise error

    async def _listen(self) -> None:
        self.site = web.TCPSite(self.runner, HOST, self.port, reuse_address=True)
        try:
            await self.site.start()
        except OSError as error:
            await self.runner.cleanup()
            why = strerror(error.errno or 0)
            raise InputError(f"port {self.port}: {why}: give another, or 0") from None
        assert self.runner.addresses
        self.port = int(self.runner.addresses[0][1])

    def _task(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.failed.append(error)
            self.playing.cancel()

    async def _ping(self) -> None:
        while True:
            await pause(PING)
            for seat in self.seats:
                seat.put(b"", WSMsgType.PING)

    async def _goodbye(self, seat: Seat, code: int = WSCloseCode.GOING_AWAY) -> None:
        """No longer waiting for an answer than a second."""
        seat.leave()
        try:
            async with within(1.0):
                await seat.socket.close(code=code)
        except TimeoutError:
            seat.transport.abort()

    async def _request(self, request: web.Request) -> web.StreamResponse:
        if dead := self.trouble.now("half-open"):
            await pause(self.trouble.left(dead))
            self._hard(request.transport)
            return web.Response()
        wanted = request.headers.get("Upgrade", "").lower() == "websocket"
        refused = self.trouble.now("status")
        if refused and refused.of in ("both", "stream" if wanted else "rest"):
            again = {"Retry-After": str(ceil(self.trouble.left(refused)))}
            headers = again if refused.code in AGAIN else {}
            return web.json_response({"code": -refused.code}, status=refused.code, headers=headers)
        return await (self._connect(request) if wanted else self._reply(request))

    async def _reply(self, request: web.Request) -> web.Response:
        if self.orders is not None and (found := await answered(self.orders, request)) is not None:
            return await given(found)
        slow = self.trouble.now("slow")
        if slow and slow.snapshot == "newer":
            await pause(slow.by)
        asked = self.stale if self.stale and self.trouble.now("stale") else self.speaker
        try:
            body = asked.get(" ".join([request.path_qs, *await _posted(request)]))
        except NOT_UNDERSTOOD:
            raise web.HTTPBadRequest from None
        if slow and slow.snapshot == "older":
            await pause(slow.by)
        if body is None:
            raise web.HTTPNotFound
        return web.Response(body=body, content_type="application/json")

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(compress=False, max_msg_size=LARGEST)
        await socket.prepare(request)
        assert isinstance(request.transport, asyncio.Transport)
        seat = Seat(socket, request.transport)
        self.seats.add(seat)
        self.served += 1
        self.heeds(True)
        sending = asyncio.create_task(seat.run())
        try:
            self._answer(seat, self.speaker.connected(seat.client, request.path_qs))
            if self.hang_up and self.ended.is_set():
                await self._goodbye(seat)
            async for message in socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    data = message.data
                    said = data.encode() if isinstance(data, str) else data
                    self._answer(seat, self.speaker.asked(seat.client, said))
        except NOT_UNDERSTOOD:
            await self._goodbye(seat, WSCloseCode.POLICY_VIOLATION)
        finally:
            self.seats.discard(seat)
            seat.leave()
            self.heeds(False)
            await sending
        return socket

    def _answer(self, seat: Seat, frames: list[bytes]) -> None:
        for frame in frames:
            seat.put(frame)
        if seat.client.topics:
            self.begun.set()

    async def _play(self) -> None:
        await self.begun.wait()
        self.begin, first = elapsed(), -1
        for moment in self.feed:
            first = moment.ts if first < 0 else first
            now = (moment.ts - first) / SECOND
            await self._faults(now)
            await self._until(now)
            await self._say(moment)
            self.moments += 1
        await self._faults(inf)
        self._send(self.trouble.rest())
        await asyncio.gather(*(task for task in self.tasks if task.get_name() == LATE))
        await asyncio.gather(*(seat.room(0) for seat in self.seats))
        self.ended.set()
        if self.hang_up:
            await asyncio.gather(*map(self._goodbye, self.seats))

    async def _faults(self, until: float) -> None:
        while step := self.trouble.next(until):
            await self._until(step.at or 0.0)
            await self._do(step)

    async def _until(self, now: float) -> None:
        """When the recording is so many seconds old."""
        if self.speed == inf:
            for seat in [seat for seat in self.seats if seat.full]:
                await seat.room()
            await pause(0)  # each, so that a snapshot is of about now
        elif (left := self.begin + now / self.speed - elapsed()) > 0:
            await pause(left)
        elif self.moments % RUN == 0:
            await pause(0)

    async def _say(self, moment: Told) -> None:
        what, k = moment.what, moment.instrument
        if not isinstance(what, bytes):
            said = self.speaker.tell(what)
        else:
            assert self.verbatim is not None, "who makes the feed knows its speaker"
            said = self.verbatim.recorded(k, moment.ts, what)
        if said:
            symbol = self.symbols[k]
            for step in self.trouble.message(symbol):
                await self._do(step)
            self._send(self.trouble.through(symbol, self._frames(said)))

    def _frames(self, said: list[Said]) -> Frames:
        """As each client gets them, numbers and all, whatever becomes of them on their way."""
        return [
            (seat, self.speaker.frame(seat.client, one))
            for one in said
            for seat in self.seats
            if one.topic in seat.client.topics
        ]

    def _send(self, sent: list[Sent]) -> None:
        for one in sent:
            if one.late:
                self._task(self._late(one)).set_name(LATE)
                continue
            for seat, frame in one.frames:
                seat.put(self.trouble.garbled(frame, one.how) if one.how else frame)

    async def _late(self, sent: Sent) -> None:
        await pause(sent.late)
        self._send([sent._replace(late=0.0)])

    async def _do(self, step: Step) -> None:
        """A fault begins."""
        self.errs(step)
        self.trouble.begin(step)
        match step.do:
            case "refuse":
                if self.site in self.runner.sites:
                    self._task(self._refuse())
            case "stale":
                self.stale = deepcopy(self.speaker)
            case "renumber" if isinstance(self.speaker, Renumbered):
                self.stale = None
                for k, symbol in enumerate(self.symbols):
                    if step.symbol in ("", symbol):
                        self.speaker.renumber(k)
            case "say":
                for seat in self.seats:
                    seat.put(step.text.encode())
            case _:
                await asyncio.gather(*(self._cut(seat, step) for seat in self.seats))

    async def _cut(self, seat: Seat, step: Step) -> None:
        match step.do:
            case "eof":
                seat.leave()
                seat.transport.close()
            case "reset":
                self._hard(seat.transport)
            case "close":
                await self._goodbye(seat, step.code)
            case "half-open":
                seat.leave()
                seat.transport.pause_reading()

    async def _refuse(self) -> None:
        """Nobody is here, under this port."""
        await self.site.stop()
        assert self.runner.server
        for connection in self.runner.server.connections:
            self._hard(connection.transport)
        while step := self.trouble.now("refuse"):
            await pause(self.trouble.left(step))
        await self._listen()

    @staticmethod
    def _hard(transport: asyncio.BaseTransport | None) -> None:
        """With a RST."""
        if isinstance(transport, asyncio.Transport):
            socket = transport.get_extra_info("socket")
            socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, RST)
            transport.abort()


async def _posted(request: web.Request) -> list[str]:
    """JSON that came with it."""
    return [await request.text()] if request.content_type == "application/json" else []
