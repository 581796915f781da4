"""Columns as they go over the wire: those that a page hears, and those that a server has."""

from contextlib import suppress
from json import dumps, loads
from select import select
from socket import SHUT_RDWR, create_connection, create_server
from threading import Thread
from time import monotonic

from serve.board.test_board import unpacked
from websockets.sync.client import connect

from flowsense.serve.board.feed import PATH, PROTOCOL


class Heard:
    """All that a page is told, each connection apart."""

    def __init__(self, page):
        self.lines = []
        page.on("websocket", self.opened)

    def opened(self, socket):
        line = []
        self.lines.append(line)
        socket.on("framereceived", lambda frame: isinstance(frame, bytes) and line.append(frame))

    def columns(self, line=-1):
        """Of a connection, in the order of their coming."""
        return [one for frame in self.lines[line] for one in unpacked(frame)]

    def numbers(self, line=-1):
        return [one.number for one in self.columns(line)] if self.lines else []


def made(url, first, last, instrument=0):
    """Numbers of those from first to last that the server has."""
    return [one.number for one in columns(url, first, last, instrument)]


def columns(url, first, last, instrument=0):
    """All from first to last that the server has, in order."""
    with connect(url.replace("http", "ws") + PATH, subprotocols=[PROTOCOL]) as line:
        line.send(dumps({"watch": {"instrument": instrument, "span": 1}}))
        line.send(dumps({"again": {"instrument": instrument, "first": first, "last": last}}))
        found, told, end = {}, "", monotonic() + 3.0
        while monotonic() < end and not (last in found and first in found):
            told = line.recv(3.0)
            if isinstance(told, bytes):
                found |= {one.number: one for one in unpacked(told)}
            elif loads(told)["topic"] == "refusal":
                raise AssertionError(told)
    return [found[n] for n in sorted(found) if first <= n <= last]


class Relay:
    """A way to a server that can be cut, as networks are. `port` is its own."""

    def __init__(self, to):
        self.to, self.ends, self.barred = to, [], False
        self.door = create_server(("127.0.0.1", 0))
        self.port = self.door.getsockname()[1]
        Thread(target=self._welcome, daemon=True).start()

    def cut(self):
        """Nothing goes through, and nobody comes in, until `mend`."""
        self.barred = True
        for one in self.ends:
            with suppress(OSError):
                one.shutdown(SHUT_RDWR)

    def mend(self):
        self.barred = False

    def close(self):
        with suppress(OSError):
            self.door.shutdown(SHUT_RDWR)
        self.cut()

    def _welcome(self):
        with self.door, suppress(OSError):
            while True:
                came = self.door.accept()[0]
                if self.barred:
                    came.close()
                    continue
                to = create_connection(("127.0.0.1", self.to))
                self.ends += came, to
                Thread(target=carry, args=(came, to), daemon=True).start()


def carry(a, b):
    with a, b, suppress(OSError, ValueError):
        while True:
            for one in select((a, b), (), ())[0]:
                if not (some := one.recv(65_536)):
                    return
                (b if one is a else a).sendall(some)
