"""Somebody else's process: listeners by the hundred, and questions that do not wait for answers.

As little as can be is done for each byte, so that the server is what is measured.
``python -m flowsense.bench.crowd listen PORT COUNT SECONDS FILE`` keeps of every frame its number
and when it was here; ``... ask PORT RATE SECONDS BODY`` prints what became of as many questions.
Both say ``here`` when all connections stand.
"""

import asyncio
import json
import re
import sys
from collections import deque
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from flowsense.wall import elapsed, new_loop, now_utc, pause, within

HOST = "127.0.0.1"
HAND = (
    "GET /api/v1/predict/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
SHORT, LONG = 126, 127  # lengths of a frame that say where its length stands
NUMBER = re.compile(rb'"sequence":(\d+)')
CONNECTIONS = 32  # that questions are asked on
PATIENCE_S = 2.0  # for the last answers
POST = "POST /api/v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {}\r\nContent-Length: {}"


class Listener(asyncio.Protocol):
    """One, whose frames are short of everything but their number."""

    def __init__(self, kept: list[tuple[int, int]], here: "asyncio.Future[None]") -> None:
        self.kept, self.here, self.held = kept, here, bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(HAND.encode())

    def data_received(self, data: bytes) -> None:
        now = now_utc()
        self.held += data
        if not self.here.done():
            head, end, rest = bytes(self.held).partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head[:20]:
                self.here.set_exception(RuntimeError(head[:100].decode()))
                return
            self.here.set_result(None)
            self.held = bytearray(rest)
        while (frame := self.frame()) is not None:
            if found := NUMBER.search(frame):
                self.kept.append((int(found[1]), now))

    def frame(self) -> bytes | None:
        """The next that is whole; a ping is answered."""
        held = self.held
        if len(held) < 2:
            return None
        begin, size = 2, held[1] & 0x7F
        if size >= SHORT:
            begin = 4 if size == SHORT else 10
            if len(held) < begin:
                return None
            size = int.from_bytes(held[2:begin], "big")
        if len(held) < begin + size:
            return None
        found, kind = bytes(held[begin : begin + size]), held[0] & 15
        del held[: begin + size]
        if kind == 9:  # a pong, masked by nothing
            self.transport.write(bytes((0x8A, 0x80 | size, 0, 0, 0, 0)) + found)
        return found if kind in (1, 2) else b""


async def listen(port: int, count: int, seconds: float, path: Path) -> None:
    """(frames, 2) int64 into the file: sequence, and ns UTC when it was here."""
    loop, kept = asyncio.get_running_loop(), list[tuple[int, int]]()
    all_here = [loop.create_future() for _ in range(count)]
    for here in all_here:
        await loop.create_connection(partial(Listener, kept, here), HOST, port)
        await here
    say("here")
    await pause(seconds)
    np.save(path, np.array(kept, np.int64).reshape(-1, 2))
    say("done")


class Asker(asyncio.Protocol):
    """A connection that asks one thing after the other."""

    def __init__(self, pool: "Pool") -> None:
        self.pool, self.held, self.due = pool, bytearray(), 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.pool.free.append(self)

    def ask(self, due: float) -> None:
        self.due = due
        self.transport.write(self.pool.question)

    def data_received(self, data: bytes) -> None:
        self.held += data
        head, end, body = bytes(self.held).partition(b"\r\n\r\n")
        if not end:
            return
        size = int(re.search(rb"content-length: (\d+)", head)[1])  # type: ignore[index]
        if len(body) < size:
            return
        self.held.clear()
        self.pool.answered(self, int(head[9:12]))


class Pool:
    """Questions at their times, whether or not the ones before are answered."""

    def __init__(self, question: bytes) -> None:
        self.question = question
        self.free, self.waiting = deque[Asker](), deque[float]()
        self.took, self.statuses = list[float](), list[int]()

    def ask(self, due: float) -> None:
        if self.free:
            self.free.popleft().ask(due)
        else:
            self.waiting.append(due)

    def answered(self, by: Asker, status: int) -> None:
        self.took.append(elapsed() - by.due)
        self.statuses.append(status)
        self.free.append(by)
        if self.waiting:
            self.free.pop().ask(self.waiting.popleft())


async def ask(port: int, rate: float, seconds: float, body: Path) -> None:
    """Prints ms, 50 % and 99 % of what was answered, and how many were of which status."""
    kind = "application/json" if body.suffix == ".json" else "application/vnd.apache.parquet"
    content = body.read_bytes()
    pool = Pool(f"{POST.format(kind, len(content))}\r\n\r\n".encode() + content)
    loop = asyncio.get_running_loop()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: Asker(pool), HOST, port)
    say("here")
    count, begin = int(rate * seconds), elapsed() + 0.1
    for k in range(count):
        due = begin + k / rate
        if (wait := due - elapsed()) > 0:
            await pause(wait)
        pool.ask(due)
    with suppress(TimeoutError):
        async with within(PATIENCE_S):
            while len(pool.took) < count:
                await pause(0.01)
    say(json.dumps(figures(pool, count)))


def figures(pool: Pool, count: int) -> dict[str, Any]:
    """What was not answered took for ever."""
    took, statuses = np.array(pool.took) * 1e3, np.array(pool.statuses)
    every = np.concatenate([took, np.full(count - len(took), PATIENCE_S * 1e3)])
    found: dict[str, Any] = {"asked": count, "answered": len(took), "statuses": {}}
    for name, some in (
        ("", every),
        ("fine_", took[statuses == 200]),
        ("refused_", took[statuses != 200]),
    ):
        p50, p99 = np.quantile(some, (0.5, 0.99)).tolist() if len(some) else (0.0, 0.0)
        found |= {f"{name}p50_ms": p50, f"{name}p99_ms": p99}
    for status in np.unique(statuses).tolist():
        found["statuses"][str(status)] = int((statuses == status).sum())
    return found | {"fine": found["statuses"].get("200", 0)}


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(words: list[str]) -> None:
    what, port, number, seconds, path = words
    with asyncio.Runner(loop_factory=new_loop) as runner:
        if what == "listen":
            runner.run(listen(int(port), int(number), float(seconds), Path(path)))
        else:
            runner.run(ask(int(port), float(number), float(seconds), Path(path)))


if __name__ == "__main__":
    main(sys.argv[1:])
