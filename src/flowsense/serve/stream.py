"""The WebSocket: predictions as they are made, numbered, from any number that is still kept."""

import asyncio
from dataclasses import dataclass
from typing import TypeAlias

from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect

from flowsense.errors import InputError
from flowsense.serve.hub import Hub, Listener
from flowsense.serve.problems import Refused, shown
from flowsense.serve.settings import Limits
from flowsense.serve.wire import Frame
from flowsense.served import Hole, Prediction
from flowsense.wall import within

GOING, UNASKED, LATER = 1001, 1003, 1013  # close codes
FORMATS = ("json", "msgpack")
Missed: TypeAlias = list[Prediction | Hole]
PREFIX = "flowsense."  # of a subprotocol


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


@dataclass(frozen=True, slots=True)
class Speaking:
    """A socket, and how one speaks on it."""

    socket: WebSocket
    format: str
    seconds: float

    async def say(self, frame: Frame) -> None:
        """Raises Stalled."""
        try:
            async with within(self.seconds):
                if self.format == "json":
                    await self.socket.send_text(frame.json().decode())
                else:
                    await self.socket.send_bytes(frame.msgpack())
        except TimeoutError:
            raise Stalled from None

    async def close(self, code: int, reason: str) -> None:
        """Even where the listener takes nothing any more."""
        drop = self.socket.scope.get("state", {}).get("drop")
        if drop is not None:
            drop(code, reason)
            return
        try:
            async with within(self.seconds):
                await self.socket.close(code, reason)
        except (TimeoutError, RuntimeError):
            return  # it is gone already


async def attend(speaking: Speaking, listener: Listener, hub: Hub, missed: Missed) -> None:
    """Speak and listen at once; the first that ends, ends both."""
    tasks = (
        asyncio.ensure_future(speak(speaking, listener, hub, missed)),
        asyncio.ensure_future(mute(speaking.socket)),
    )
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        code, reason = next(iter(done)).result()
        if code:
            await speaking.close(code, reason)
    except WebSocketDisconnect:
        return
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def speak(
    speaking: Speaking, listener: Listener, hub: Hub, missed: Missed
) -> tuple[int, str]:
    """-> close code and reason."""
    try:
        for one in missed:
            if (old := hub.frame(one)) is not None:
                await speaking.say(old)
        while True:
            frame = listener.take()
            if hub.closing:
                return GOING, "The server stops."
            if frame is not None:
                await speaking.say(frame)
            else:
                await listener.ready.wait()
    except Stalled:
        hub.cut += 1
        return LATER, "You took nothing for too long: come back with since=N."


async def mute(socket: WebSocket) -> tuple[int, str]:
    """Waits until the listener goes, or says something. -> close code and reason."""
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        return 0, ""
    return UNASKED, "Nothing is to be said here."
