"""Somebody else's process: a venue that speaks on time, whether or not it is heard.

All its messages are written before it begins, so that it costs as little as a sender can.
``python -m flowsense.bench.barrage TABLE SPEED SECONDS COPIES SINGLE`` prints its port, waits for a
client, and speaks for so many seconds: each message when it is due, or as soon as it can after
that. When the client leaves it prints how many messages were due by then: what nobody has read yet
is late too.
"""

import asyncio
import sys
from bisect import bisect_right
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from aiohttp import WSMsgType, web

from flowsense.replay import Client
from flowsense.replay.binance import UsdM
from flowsense.replay.feed import apart
from flowsense.schema import EVENT, GAP, LAST, SECOND, SET, SNAPSHOT, Events, Instrument
from flowsense.store.events import read_events, read_instruments
from flowsense.wall import elapsed, new_loop, pause

HOST = "127.0.0.1"
TOGETHER = 0.0005  # s: what is due so soon goes with what is due now


class Score(NamedTuple):
    """What will be said, and when."""

    due: list[float]  # s since the beginning
    trade: list[bool]  # what is said of trades has a connection of its own
    frames: list[bytes]
    replies: dict[str, bytes]  # of requests, by path without query


def score(table: tuple[Instrument, ...], events: Events, speed: float) -> Score:
    """All messages of a USD-M venue."""
    speaker, due, frames, trade = UsdM(table), list[float](), list[bytes](), list[bool]()
    everybody, ready = Client(), set[int]()
    replies = dict[str, bytes]()
    first = int(events["ts_recv"][0])
    for moment in apart(events):
        for said in speaker.tell(moment.what):
            if said.topic.endswith(("@depth@0ms", "@trade")):
                due.append((moment.ts - first) / SECOND / speed)
                frames.append(speaker.frame(everybody, said))
                trade.append(said.topic.endswith("@trade"))
        if moment.instrument not in ready and (moment.what["action"] == SET).any():
            ready.add(moment.instrument)
            path = f"/fapi/v1/depth?symbol={table[moment.instrument].symbol}&limit=1000"
            replies[path] = speaker.get(path) or b""
    listing = "/fapi/v1/exchangeInfo"
    replies[listing] = speaker.get(listing) or b""
    return Score(due, trade, frames, replies)


class Barrage:
    """One client, which has two connections: for books and for trades."""

    def __init__(self, of: Score) -> None:
        self.score, self.done = of, asyncio.Event()
        self.due = 0  # messages by the end
        self.sockets = dict[bool, web.WebSocketResponse]()

    async def request(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            body = self.score.replies.get(request.path_qs)
            return web.Response(body=body or b"", status=200 if body else 404)
        socket = web.WebSocketResponse(compress=False, heartbeat=None)
        await socket.prepare(request)
        listening = asyncio.create_task(self.listen(socket))
        self.sockets["@trade" in request.path_qs] = socket
        if len(self.sockets) == 2:
            await self.speak()
            self.done.set()
        await self.done.wait()
        listening.cancel()
        return socket

    async def listen(self, socket: web.WebSocketResponse) -> None:
        """Answers pings."""
        async for message in socket:
            if message.type is WSMsgType.ERROR:
                return

    async def speak(self) -> None:
        begin, of = elapsed() + 0.5, self.score
        with suppress(ConnectionError):  # it has heard enough
            for due, trade, frame in zip(of.due, of.trade, of.frames, strict=True):
                wait = begin + due - elapsed()
                if wait > TOGETHER:
                    await pause(wait)
                await self.sockets[trade].send_frame(frame, WSMsgType.TEXT)
        self.due = bisect_right(of.due, elapsed() - begin)


async def run(of: Score) -> None:
    barrage = Barrage(of)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", barrage.request)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await barrage.done.wait()
    sys.stdout.write(f"{barrage.due}\n")
    sys.stdout.flush()
    await runner.cleanup()


def copies(
    table: tuple[Instrument, ...], events: Events, count: int
) -> tuple[tuple[Instrument, ...], Events]:
    """The same market under so many names, a little later each."""
    names, parts = list[Instrument](), list[Events]()
    for c in range(count):
        names += [i._replace(symbol=f"{i.symbol}{c or ''}") for i in table]
        part = events.copy()
        part["instrument"] += c * len(table)
        part["ts_recv"] += c * SECOND // 1_000
        parts.append(part)
    every = np.concatenate(parts)
    return tuple(names), every[np.argsort(every["ts_recv"], kind="stable")].view(EVENT)


def looped(events: Events, seconds: float) -> Events:
    """The recording again and again, for so long: each pass begins with its snapshot.

    It ends where it first lost something: what it does not know no venue could go on to tell.
    """
    lost = 1 + np.flatnonzero(events["bits"][1:] & GAP)
    events = events[: lost[0]] if len(lost) else events
    begin = int(events["ts_recv"][0])
    span = int(events["ts_recv"][-1]) - begin + SECOND // 10
    parts = list[Events]()
    for k in range(1 + int(seconds * SECOND) // span):
        part = events.copy()
        part["ts_recv"] += k * span
        part["ts_event"] += k * span
        parts.append(part)
    every = np.concatenate(parts).view(EVENT)
    return every[every["ts_recv"] < begin + int(seconds * SECOND)]


def apiece(events: Events) -> Events:
    """Each is a message, but for those of a snapshot.

    What was one message is spread over the time until the next: said at once, it would be a burst
    that nobody recorded.
    """
    out = events.copy()
    alone = out["bits"] & SNAPSHOT == 0
    out["bits"][alone] |= LAST
    times, first, many = np.unique(out["ts_recv"], return_index=True, return_counts=True)
    until = np.diff(times, append=times[-1])
    place = np.arange(len(out)) - np.repeat(first, many)
    later = np.repeat(until, many) * place // np.repeat(many, many)
    out["ts_recv"] += np.where(np.repeat(np.logical_and.reduceat(alone, first), many), later, 0)
    return out


if __name__ == "__main__":
    path, speed, seconds, count, single = Path(sys.argv[1]), *map(float, sys.argv[2:6])
    known = read_instruments(path)
    heard = np.concatenate(list(read_events(path, len(known)))).view(EVENT)
    heard = looped(heard, seconds * speed)
    told = score(*copies(known, apiece(heard) if single else heard, int(count)), speed)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(run(told))
