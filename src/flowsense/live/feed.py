"""One connection to one venue, kept up for as long as somebody wants it."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from random import Random
from typing import Any, TypeAlias

import aiohttp
from aiohttp.abc import AbstractResolver

from flowsense.ensemble.code import Code
from flowsense.live.care import Backoff, Care, Silence
from flowsense.live.line import TCP, Line
from flowsense.live.link import LOST, Link, Socket, Sockets, farewell, soonest
from flowsense.live.outage import Outage
from flowsense.live.refused import Refused, refused
from flowsense.live.requests import Requests
from flowsense.live.room import Room
from flowsense.schema import CONTROL, EVENT, GAP, SECOND, Instrument, zeros
from flowsense.sources.secret import secret
from flowsense.sources.venues import Anew, Get, Heard, How, Renew, Send, Stop, Venue
from flowsense.sources.venues.decoder import NOT_UNDERSTOOD, Decoder, Told
from flowsense.wall import Stamp, elapsed, pause, within

LARGEST = 16 << 20  # bytes of a message
AWAY = (ConnectionRefusedError, aiohttp.ClientConnectorError)
REFUSED = (401, 403)
Hear: TypeAlias = Callable[[Heard | None, Told], None]


@dataclass(frozen=True, slots=True)
class Address:
    """Where a venue is, if not where it says: a replay server, a proxy."""

    stream: str
    rest: str
    resolver: AbstractResolver | None = None  # of names; None: the system's


class Feed:
    """Hears a venue's symbols; every loss, stall and hole ends in a new connection or a snapshot.

    Args:
        venue: what is spoken; `table` holds its instruments among all of the stream.
        hear: called at once with everything that was heard and what came of it; None where nothing
            was heard and that is what is told.
        now: ns UTC, never falling; one for all feeds of a stream.
        room: readers give way while it is taken, for a moment at most.

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
        room: Room | None = None,
    ) -> None:
        self.venue, self.hear, self.now = venue, hear, now or Stamp()
        self.room = room or Room()
        self.address = address or Address(venue.stream, venue.rest)
        care = care or Care()
        self.care = replace(care, silent=max(care.silent, venue.quiet_ns / SECOND))
        self.key = secret(venue.secret) if venue.secret else None
        self.decoder = Decoder(venue, table)
        self.random = Random(seed)
        self.backoff = Backoff(self.care, self.random)
        self.state, self.why, self.since, self.last = "down", "", 0, 0
        self.read = 0.0  # when something last came of it, on the loop's clock
        self.outage = Outage(venue.name)
        self.given_up = ""  # why, by us
        self.messages = self.events = self.connections = self.resyncs = 0
        self.lived = False  # all books were whole: what is taken from then on is taken anew
        self.silence = {k: Silence(self.care, 0) for k in self.decoder.sink.index.values()}
        self.link: Link | None = None
        self.next: Link | None = None  # takes over when `link` ends
        self.soon = asyncio.Event()  # the venue has said that it will end
        self.requests: Requests | None = None
        self.tasks = set[asyncio.Task[None]]()
        self.failed: BaseException | None = None

    async def run(self) -> None:
        """Until cancelled. Raises Refused."""
        # a name is looked up for each connection: a venue that moved is found where it went
        connector = aiohttp.TCPConnector(resolver=self.address.resolver, use_dns_cache=False)
        async with aiohttp.ClientSession(connector=connector) as http:
            about = self.venue, self.address.rest, self.care, self.key
            self.requests = Requests(http, *about, self._reply, self._says)
            try:
                self.outage.begin()
                while True:
                    away = await self._connection(http)
                    wait = self.backoff.next(away)
                    self.outage.lost(self.why, wait)
                    await pause(wait)
            finally:
                self._is("stopped")

    async def _connection(self, http: aiohttp.ClientSession) -> bool:
        """One, from opening it to its loss; whether nobody was there."""
        self._is("connecting")
        opened, why, away = inf, "", False
        try:
            self.link = await self._open(http)
            opened = elapsed()
            self._listen(http)
            why = self.given_up or await self._followed(self.link)
        except aiohttp.ClientResponseError as error:
            why = f"the venue answered {error.status}"
            if error.status in REFUSED:
                raise refused(self.venue.name, why, self.key) from error
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
        self._unheard()
        return away

    def _unheard(self) -> None:
        """Without a connection nobody knows how old a book is: at once, not after a silence."""
        for k, one in self.silence.items():
            if self.connections and not one.stale:
                self._stale(k, one, True, self.now())

    async def _followed(self, link: Link) -> str:
        """How it ended, and whatever took its place before it did. Raises what it failed with."""
        while True:
            self.connections += 1
            link.tell(partial(self._take, How.MESSAGE))
            error = await link.over()
            if self.next is None or self.given_up:
                break
            self.link, self.next = self.next, None
            await link.close(self.care.bye)
            link = self.link
        if self.given_up:
            return self.given_up
        if error is not None:
            raise error
        return link.code

    async def _renew(self, http: aiohttp.ClientSession) -> None:
        """Before the venue ends a connection there is another, and both are heard for a while.

        What both tell is left out by its number: nothing is lost, and nothing told twice.
        """
        backoff = Backoff(self.care, self.random)
        while True:
            with suppress(TimeoutError):
                async with within(self._life()):
                    await self.soon.wait()
            old, fresh = self.link, None
            try:
                fresh = await self._open(http)
            except LOST:
                self.soon.set()
                await pause(backoff.next(away=False))
                continue
            self.soon.clear()
            backoff.tries, self.next = 0, fresh
            await pause(self.care.overlap)
            if self.link is old and old is not None:
                await old.leave(self.care.bye)

    def _life(self) -> float | None:
        """Seconds after which another connection is made; not all that began together at once."""
        if not self.venue.life_ns:
            return None
        return self.venue.life_ns / SECOND * (0.96 + 0.02 * self.random.random())

    async def _open(self, http: aiohttp.ClientSession) -> Link:
        async with within(self.care.connect):
            sockets = await soonest(partial(self._sockets, http), self.care.away)
            return Link(sockets, self.room)

    async def _sockets(self, http: aiohttp.ClientSession) -> Sockets:
        base, symbols = self.address.stream, self.decoder.symbols
        if self.venue.address is not None:
            base = await self._admitted(http, self.venue.address)
        if base.startswith(TCP):
            return (await Line.open(base),)
        if self.venue.stream.startswith("ccxt:"):
            return (self._unified(),)
        paths = [self.venue.path(symbols)]
        paths += [self.venue.beside(symbols)] if self.venue.beside is not None else []
        found = list[Socket]()
        try:
            for path in paths:
                found.append(await self._dial(http, base + path))
        except BaseException:
            await asyncio.gather(*(farewell(socket, 0.0) for socket in found))
            raise
        return (*found,)

    def _unified(self) -> Socket:
        """By ccxt, which takes a second to load and may not be there."""
        from flowsense.live.unified import Unified

        name, symbols = self.venue.name, self.decoder.symbols
        return Unified(name, symbols, self.address.stream, self.address.rest)

    async def _dial(self, http: aiohttp.ClientSession, address: str) -> Socket:
        return await http.ws_connect(
            address, heartbeat=self.care.alive, max_msg_size=LARGEST, decode_text=False
        )

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
        if self.venue.life_ns:
            self.soon.clear()
            self._beside(self._renew(http))
        if self.venue.ping:
            self._beside(self._ping())

    def _reply(self, key: str, body: bytes) -> None:
        self._take(How.REPLY, body, key)

    def _take(self, how: How, body: bytes = b"", key: str = "") -> None:
        now, self.read = self.now(), elapsed()
        if how is How.MESSAGE:
            self.messages, self.last = self.messages + 1, now
            self.outage.heard()
        heard = Heard(now, how, body, key)
        told = self.decoder.hear(heard)
        if len(told.events):
            self._noted(told, now)
        self.hear(heard, told)
        for ask in told.asks:
            match ask:
                case Send(text) if self.link is not None:
                    self._beside(self._send(text))
                case Get() if self.requests is not None:
                    self._beside(self.requests.get(ask))
                case Renew() if self.venue.life_ns:
                    self.soon.set()
                case Anew(why):
                    self._anew(why)
                case Stop(why):
                    self.failed = Refused(f"{self.venue.name}: {why}")
                    self._anew(why)

    def _noted(self, told: Told, ts: int) -> None:
        """Who is alive; heard at `ts`, ns UTC."""
        self.events, now = self.events + len(told.events), int(self.read * SECOND)
        each = zip(*(told.events[name].tolist() for name in ("instrument", "bits")), strict=True)
        for k in {k for k, bits in each if not bits & GAP}:  # a loss is no sign of life
            one = self.silence.get(k)
            if one is None:
                continue
            one.heard(now)
            if one.stale:
                self._stale(k, one, False, ts)
        ready = self.decoder.sink.ready.values()
        if self.state in ("resync", "stale") and all(ready) and not self.silent:
            self._is("live")
        elif self.state == "live" and told.gaps:
            self._is("resync", told.gaps[-1].why)

    def _stale(self, k: int, one: Silence, stale: bool, ts: int) -> None:
        """Into the stream: what the wall clock decides is recorded with what the venue says.

        ts: ns UTC; where a message ends it, that of the message, which follows.
        """
        one.stale = stale
        event = zeros(EVENT, 1)
        event["ts_event"] = event["ts_recv"] = ts
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
                    self._stale(k, one, True, self.now())
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
        socket = self.link.sockets[0] if self.link is not None else None
        if socket is not None and not socket.closed:
            await socket.send_str(self.key.into(text) if self.key is not None else text)

    def _anew(self, why: str) -> None:
        self.given_up = why
        if self.link is not None:
            self._beside(self.link.leave(self.care.bye))

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
        if error is not None and self.link is not None:
            self._anew(f"{type(error).__name__}: {error}")

    async def _end(self) -> None:
        links = [link for link in (self.link, self.next) if link is not None]
        self.link = self.next = None
        for link in links:
            link.stop()
        for task in (*self.tasks,):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await asyncio.gather(*(link.close(self.care.bye) for link in links))

    @property
    def silent(self) -> list[int]:
        """Instruments that are stale."""
        return [k for k, one in self.silence.items() if one.stale]

    @property
    def barred(self) -> float:
        """Seconds for which the venue wants no requests, so that no book can be asked for."""
        return self.requests.barred if self.requests is not None else 0.0

    def _says(self, why: str) -> None:
        self.why = why

    def _is(self, state: str, why: str = "") -> None:
        self.resyncs += state == "resync" and self.lived
        self.lived = self.lived or state == "live"
        self.state, self.since = state, self.now()
        self.why = why or self.why


def clock() -> int:
    """ns that no clock on the wall can set back or forward: how long it was silent, is of them."""
    return int(elapsed() * SECOND)
