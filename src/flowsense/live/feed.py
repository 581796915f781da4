"""One connection to one venue, kept up for as long as somebody wants it."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from math import inf
from random import Random
from typing import Any, TypeAlias

import aiohttp

from flowsense.ensemble.council import Code
from flowsense.errors import InputError
from flowsense.live.care import Backoff, Care, Silence
from flowsense.live.line import TCP, Line
from flowsense.live.requests import Requests
from flowsense.schema import CONTROL, EVENT, GAP, SECOND, Instrument, zeros
from flowsense.sources.secret import secret
from flowsense.sources.venues import Anew, Get, Heard, How, Send, Stop, Venue
from flowsense.sources.venues.decoder import NOT_UNDERSTOOD, Decoder, Told
from flowsense.wall import Stamp, elapsed, pause, within

LARGEST = 16 << 20  # bytes of a message
AWAY = (ConnectionRefusedError, aiohttp.ClientConnectorError)
LOST = (aiohttp.ClientError, OSError, TimeoutError)
REFUSED = (401, 403)
Hear: TypeAlias = Callable[[Heard | None, Told], None]
Socket: TypeAlias = "aiohttp.ClientWebSocketResponse[Any] | Line"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a venue is, if not where it says: a replay server, a proxy."""

    stream: str
    rest: str


class Refused(InputError):
    """The venue does not take us, and trying again would not help."""


class Feed:
    """Hears a venue's symbols; every loss, stall and hole ends in a new connection or a snapshot.

    Args:
        venue: what is spoken; `table` holds its instruments among all of the stream.
        hear: called at once with everything that was heard and what came of it; None where nothing
            was heard and that is what is told.
        now: ns UTC, never falling; one for all feeds of a stream.

    Raises InputError where the venue wants a key and there is none.
    """

    def __init__(
        self,
        venue: Venue,
        table: tuple[Instrument, ...],
        hear: Hear,
        *,
        address: Address | None = None,
        care: Care | None = None,
        seed: int = 0,
        now: Callable[[], int] | None = None,
    ) -> None:
        self.venue, self.hear, self.now = venue, hear, now or Stamp()
        self.address = address or Address(venue.stream, venue.rest)
        care = care or Care()
        self.care = replace(care, silent=max(care.silent, venue.quiet_ns / SECOND))
        self.key = secret(venue.secret) if venue.secret else None
        self.decoder = Decoder(venue, table)
        self.backoff = Backoff(self.care, Random(seed))
        self.state, self.why, self.since, self.last = "down", "", 0, 0
        self.given_up = ""  # why, by us
        self.messages = self.events = self.connections = self.resyncs = 0
        self.silence = {k: Silence(self.care, 0) for k in self.decoder.sink.index.values()}
        self.socket: Socket | None = None
        self.tasks = set[asyncio.Task[None]]()
        self.failed: BaseException | None = None

    async def run(self) -> None:
        """Until cancelled. Raises Refused."""
        async with aiohttp.ClientSession() as http:
            headers = self.key.bearer() if self.key is not None else {}
            base, rate = self.address.rest, self.venue.requests
            self.requests = Requests(http, base, rate, self.care, self._reply, headers)
            try:
                while True:
                    away = await self._connection(http)
                    await pause(self.backoff.next(away))
            finally:
                self._is("stopped")

    async def _connection(self, http: aiohttp.ClientSession) -> bool:
        """One, from opening it to its loss; whether nobody was there."""
        self._is("connecting")
        opened, why, away = inf, "the venue closed the connection", False
        try:
            socket = await self._open(http)
            opened = elapsed()
            self.socket, self.connections = socket, self.connections + 1
            self._listen(http)
            await self._read(socket)
            why = self.given_up or f"{why} ({socket.close_code})"
        except aiohttp.ClientResponseError as error:
            why = f"the venue answered {error.status}"
            if error.status in REFUSED:
                raise Refused(f"{self.venue.name}: {why}: {self._credentials()}") from error
        except LOST as error:
            why, away = f"{type(error).__name__}: {error}", isinstance(error, AWAY)
            away |= opened == inf and isinstance(error, TimeoutError)
        finally:
            await self._end()
        if self.failed is not None:
            raise self.failed
        if elapsed() - opened > self.care.settled:
            self.backoff.tries = 0
        self._is("down", why)
        self._take(How.LOST, why.encode())
        return away

    def _credentials(self) -> str:
        if self.key is not None:
            return f"set {self.key.variable} to a key that it takes"
        return "it lets nobody in from here without an account"

    async def _open(self, http: aiohttp.ClientSession) -> Socket:
        base = self.address.stream
        async with within(self.care.connect):
            if self.venue.address is not None:
                base = await self._admitted(http, self.venue.address)
            if base.startswith(TCP):
                return await Line.open(base)
            return await self._dial(http, base + self.venue.path(self.decoder.symbols))

    @staticmethod
    async def _dial(http: aiohttp.ClientSession, address: str) -> Socket:
        return await http.ws_connect(
            address, heartbeat=15.0, max_msg_size=LARGEST, decode_text=False
        )

    async def _second(self, http: aiohttp.ClientSession, path: str) -> None:
        """The stream beside the first; when it ends, so does that."""
        async with within(self.care.connect):
            socket = await self._dial(http, self.address.stream + path)
        try:
            await self._read(socket)
        finally:
            await socket.close()
        self._anew(f"the venue closed the second connection ({socket.close_code})")

    async def _admitted(self, http: aiohttp.ClientSession, address: Callable[[bytes], str]) -> str:
        """The address that is given at the venue's door."""
        door = self.address.rest + self.venue.door
        async with http.post(door, raise_for_status=True) as reply:
            body = await reply.read()
        try:
            return address(body)
        except NOT_UNDERSTOOD as error:
            raise aiohttp.ClientPayloadError(f"at the door: {error}") from error

    def _listen(self, http: aiohttp.ClientSession) -> None:
        """What goes on beside the reading."""
        self.given_up = ""
        for one in self.silence.values():
            one.opened(clock())
        self._take(How.OPENED)
        self._is("resync")
        self._beside(self._watch())
        if self.venue.beside is not None:
            self._beside(self._second(http, self.venue.beside(self.decoder.symbols)))
        if self.venue.ping:
            self._beside(self._ping())

    async def _read(self, socket: Socket) -> None:
        async for message in socket:
            if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                self.messages += 1
                self._take(How.MESSAGE, message.data)
            elif isinstance(message.data, Exception):
                raise message.data

    def _reply(self, key: str, body: bytes) -> None:
        self._take(How.REPLY, body, key)

    def _take(self, how: How, body: bytes = b"", key: str = "") -> None:
        self.last = self.now()
        heard = Heard(self.last, how, body, key)
        told = self.decoder.hear(heard)
        if len(told.events):
            self._noted(told)
        self.hear(heard, told)
        for ask in told.asks:
            match ask:
                case Send(text) if self.socket is not None:
                    self._beside(self._send(text))
                case Get(key, path):
                    self._beside(self.requests.get(key, path))
                case Anew(why):
                    self._anew(why)
                case Stop(why):
                    self.failed = Refused(f"{self.venue.name}: {why}")
                    self._anew(why)

    def _noted(self, told: Told) -> None:
        """Who is alive."""
        self.events, now = self.events + len(told.events), clock()
        said = told.events["bits"] & GAP == 0  # that something is lost is no sign of life
        for k in {*told.events["instrument"][said].tolist()}:
            one = self.silence.get(k)
            if one is None:
                continue
            one.heard(now)
            if one.stale:
                self._stale(k, one, False)
        ready = self.decoder.sink.ready.values()
        if self.state in ("resync", "stale") and all(ready) and not self.silent:
            self._is("live")
        elif self.state == "live" and told.gaps:
            self._is("resync", told.gaps[-1].why)

    def _stale(self, k: int, one: Silence, stale: bool) -> None:
        """Into the stream: what the wall clock decides is recorded with what the venue says."""
        one.stale = stale
        event = zeros(EVENT, 1)
        event["ts_event"] = event["ts_recv"] = self.now()
        event["action"], event["price"], event["lots"] = CONTROL, Code.STALE, int(stale)
        event["instrument"] = k
        self.hear(None, Told(event, (), ()))

    async def _watch(self) -> None:
        """For silence: pings may be answered while the data has stopped."""
        while True:
            await pause(self.care.look)
            now = clock() + int(self.care.look * SECOND)  # by the next look it would be late
            for k, one in self.silence.items():
                quiet, limit = now - one.last, one.limit()
                if quiet > limit and not one.stale:
                    self._stale(k, one, True)
                    self._is("stale", f"instrument {k} is silent")
                if quiet > limit + self.care.stale * SECOND:
                    one.patience *= 2
                    self._anew(f"no data of instrument {k} for {quiet / SECOND:.0f} s")
                    return

    async def _ping(self) -> None:
        while True:
            await pause(self.venue.ping_ns / SECOND)
            await self._send(self.venue.ping)

    async def _send(self, text: str) -> None:
        if self.socket is not None and not self.socket.closed:
            await self.socket.send_str(self.key.into(text) if self.key is not None else text)

    def _anew(self, why: str) -> None:
        self.given_up = why
        if self.socket is not None:
            self._beside(self._close())

    async def _close(self) -> None:
        if self.socket is not None:
            await self.socket.close()

    def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        """A task that fails ends the connection; what it may fail with is a loss."""
        self.tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, LOST):
            self.failed = error
        if error is not None and self.socket is not None:
            self._anew(f"{type(error).__name__}: {error}")

    async def _end(self) -> None:
        socket, self.socket = self.socket, None
        for task in (*self.tasks,):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        if socket is not None and not socket.closed:
            await socket.close()

    @property
    def silent(self) -> list[int]:
        """Instruments that are stale."""
        return [k for k, one in self.silence.items() if one.stale]

    def _is(self, state: str, why: str = "") -> None:
        self.resyncs += state == "resync"
        self.state, self.since = state, self.now()
        self.why = why or self.why


def clock() -> int:
    """ns that no clock on the wall can set back or forward: how long it was silent, is of them."""
    return int(elapsed() * SECOND)
