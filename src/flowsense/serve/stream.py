"""The WebSocket: predictions as they are made, numbered, from any number that is still kept."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeAlias

from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect

from flowsense.errors import InputError
from flowsense.serve.hub import Hub, Listener
from flowsense.serve.problems import Refused, shown
from flowsense.serve.settings import Limits
from flowsense.serve.tasks import first
from flowsense.serve.wire import Frame
from flowsense.served import Hole, Prediction
from flowsense.wall import within

GOING, UNASKED, LATER, FAILED = 1001, 1003, 1013, 4500  # close codes
TOGETHER = 16  # frames at most, in one write
REASON = 120  # bytes that a close code may bring
FORMATS = ("json", "msgpack")
Missed: TypeAlias = list[Prediction | Hole]
PREFIX = "flowsense."  # of a subprotocol
SLOW = "You took nothing for too long: come back with since=N."


class Stalled(Exception):
    """A listener that does not take what it is sent."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a listener asked for."""

    format: str
    protocol: str | None  # by which it said so
    since: int | None
    symbols: frozenset[str]


def wish(socket: WebSocket) -> Wish:
    """Raises Refused."""
    said = socket.query_params
    for name in said:
        if name not in ("format", "since", "symbols"):
            raise Refused(422, "invalid", f"There is no parameter {shown(name)}.", field="query")
    since = said.get("since")
    if since is not None and not (since.isdecimal() and since.isascii() and len(since) < 19):
        raise Refused(422, "invalid", f"since is {shown(since)}: give a number.", field="since")
    offered = (p for p in socket.scope["subprotocols"] if p.removeprefix(PREFIX) in FORMATS)
    protocol = next((p for p in offered if p.startswith(PREFIX)), None)
    format = said.get("format") or (protocol or "json").removeprefix(PREFIX)
    if format not in FORMATS:
        message = f"format is {shown(format)}: give json or msgpack."
        raise Refused(422, "invalid", message, field="format")
    symbols = frozenset(s for s in said.get("symbols", "").split(",") if s)
    return Wish(format, protocol, None if since is None else int(since), symbols)


async def stream(socket: WebSocket, hub: Hub, limits: Limits) -> None:
    """One listener, until it goes, stalls, or we go. Raises Refused before it is accepted."""
    asked = wish(socket)
    if hub.closing:
        raise Refused(503, "stopping", "The server stops.", after=1.0)
    if len(hub.listeners) >= limits.listeners:
        raise Refused(503, "full", "There are too many listeners.", after=1.0)
    known(asked.symbols, hub)
    listener = Listener(limits.queue, asked.symbols)
    missed = hub.join(listener, asked.since)
    try:
        await socket.accept(subprotocol=asked.protocol)
        await attend(Speaking(socket, asked.format, limits.send_s), listener, hub, missed)
    finally:
        hub.leave(listener)


def known(symbols: frozenset[str], hub: Hub) -> None:
    """Raises Refused."""
    try:
        there = {s for feed in hub.service.status().feeds for s in feed.symbols}
    except InputError as error:
        raise Refused(503, "not_ready", f"{error}.", after=1.0) from None
    if strange := symbols - there:
        message = f"There is no instrument {shown(min(strange))}."
        hint = f"there are {', '.join(sorted(there)[:20])}"
        raise Refused(404, "unknown_instrument", message, field="symbols", hint=hint)


class Own(Protocol):
    """A connection of ours (`sockets.Listening`): what it is given goes out as it is."""

    writable: asyncio.Event

    def write(self, data: bytes) -> None: ...
    def drop(self, code: int, reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Speaking:
    """A socket, and how one speaks on it."""

    socket: WebSocket
    format: str
    seconds: float

    @property
    def own(self) -> Own | None:
        """None on the connections of another server."""
        found: Own | None = self.socket.scope.get("state", {}).get("own")
        return found

    async def say(self, frames: Sequence[Frame]) -> None:
        """Raises Stalled."""
        try:
            if (own := self.own) is None:
                async with within(self.seconds):
                    await self._each(frames)
                return
            own.write(b"".join([frame.whole(self.format) for frame in frames]))
            if not own.writable.is_set():
                async with within(self.seconds):
                    await own.writable.wait()
        except TimeoutError:
            raise Stalled from None

    async def _each(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            content = frame.content(self.format)
            if self.format == "json":
                await self.socket.send_text(content.decode())
            else:
                await self.socket.send_bytes(content)

    async def close(self, code: int, reason: str) -> None:
        """Even where the listener takes nothing any more."""
        if (own := self.own) is not None:
            own.drop(code, reason)
            return
        try:
            async with within(self.seconds):
                await self.socket.close(code, reason)
        except (TimeoutError, RuntimeError):
            return  # it is gone already


async def attend(speaking: Speaking, listener: Listener, hub: Hub, missed: Missed) -> None:
    """Speak and listen at once; the first that ends, ends both."""
    works = speak(speaking, listener, hub, missed), mute(speaking.socket, hub)
    try:
        code, reason = await first(*works)
        if code:
            await speaking.close(code, reason)
    except WebSocketDisconnect:
        return


async def speak(
    speaking: Speaking, listener: Listener, hub: Hub, missed: Missed
) -> tuple[int, str]:
    """-> close code and reason."""
    try:
        for one in missed:
            if (old := hub.frame(one)) is not None:
                await speaking.say([old])
        while True:
            frames = [*islice(iter(listener.take, None), TOGETHER)]
            if hub.closing:
                return GOING, "The server stops."
            if frames:
                await speaking.say(frames)
            elif hub.failed:
                return FAILED, brief(f"The pipeline failed: {hub.failed}")
            else:
                await listener.ready.wait()
    except Stalled:
        hub.cut += 1
        return LATER, SLOW


def brief(why: str) -> str:
    """As much of it as a close frame may hold."""
    return why.encode()[:REASON].decode(errors="ignore")


async def mute(socket: WebSocket, hub: Hub) -> tuple[int, str]:
    """Waits until the listener goes, or says something. -> close code and reason."""
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        hub.cut += message.get("reason") == SLOW  # its pings are not answered
        return 0, ""
    return UNASKED, "Nothing is to be said here."
