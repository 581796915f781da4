"""The life of the process: asked to stop once or twice, under load, it ends well and soon."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import closing
from threading import Event

import pytest
import websockets.sync.client
from serving import limited, running
from websockets import ConnectionClosed

from flowsense.client import Client
from flowsense.errors import InputError
from flowsense.live.tables import Unreachable
from flowsense.serve.run import listening, serve
from flowsense.serve.settings import Settings
from flowsense.testing.service import Simulated
from flowsense.wall import Stopwatch, pause

PROGRAM = """
import asyncio
from flowsense.serve.run import serve_app
from flowsense.serve.settings import Settings
from flowsense.testing.service import Simulated
from flowsense.wall import pause

class Busy(Simulated):
    async def start(self):
        await super().start()
        while self.state == "running":
            self.advance(1)
            await pause(0.001)

    async def stop(self):
        await super().stop()
        print("stopped", flush=True)

serve_app(Busy(), Settings(port=0), ready=lambda port: print(port, flush=True))
print("ended", flush=True)
"""


def address_of(server):
    return "127.0.0.1", int(server.url.rpartition(":")[2])


def ended(program, *signals):
    """Seconds until it ends, with which code, what it said, and how a listener was closed."""
    port, watch = int(program.stdout.readline()), Stopwatch()
    where = f"ws://127.0.0.1:{port}/api/v1/predict/stream"
    with (
        Client(f"http://127.0.0.1:{port}") as client,
        websockets.sync.client.connect(where, proxy=None, close_timeout=0.1) as listener,
    ):
        client.health()
        listener.recv(5)
        with watch:
            for each in signals:
                program.send_signal(each)
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    listener.recv(5)
            out, _ = program.communicate(timeout=10)
    return watch.seconds, program.returncode, out.split(), closed.value.rcvd


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
@pytest.mark.parametrize(
    "signals", [[signal.SIGTERM], [signal.SIGINT, signal.SIGINT]], ids=["once", "twice"]
)
def test_a_signal_ends_it_soon_with_0_and_says_so(signals):
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as it:
        seconds, code, out, closed = ended(it, *signals)
    assert (code, out[-2:], closed.code) == (0, ["stopped", "ended"], 1001)
    assert seconds < 5.0


def test_answers_are_sent_at_once():
    """asyncio turns Nagle's algorithm off only for sockets that say that they are of TCP."""
    with closing(listening(Settings(port=0))) as bound:
        assert bound.proto == socket.IPPROTO_TCP


def test_an_address_that_is_taken_is_refused():
    with closing(listening(Settings(port=0))) as bound:
        port = bound.getsockname()[1]
        with pytest.raises(
            InputError, match=f"127.0.0.1 port {port}: cannot be listened on.*, or 0"
        ):
            asyncio.run(serve(Simulated(), Settings(port=port), stop=asyncio.Event()))


class Stuck(Simulated):
    async def stop(self):
        await pause(60)


@pytest.mark.slow
def test_a_pipeline_that_does_not_stop_keeps_nobody(monkeypatch):
    monkeypatch.setattr("flowsense.serve.run.STOPPING_S", 0.1)
    watch = Stopwatch()
    with watch, running(Stuck()):
        pass
    assert watch.seconds < 5.0


class Broken(Simulated):
    async def start(self):
        raise OSError("no way to the venue")


def test_a_start_that_fails_makes_health_red():
    with running(Broken()) as server, Client(server.url) as client:
        found = client.health()
    assert not found.live and "no way to the venue" in found.reasons[0]


@pytest.mark.slow
def test_a_body_that_comes_too_slowly_is_given_up():
    head = b"POST /api/v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{"
    with (
        running(settings=limited(body_s=0.1)) as server,
        socket.create_connection(address_of(server), 5) as slow,
    ):
        slow.sendall(head)
        assert slow.recv(4_096).startswith(b"HTTP/1.1 408")


@pytest.mark.slow
def test_a_head_without_end_is_refused():
    with running() as server, socket.create_connection(address_of(server), 5) as long:
        long.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 70_000)
        assert long.recv(4_096).startswith(b"HTTP/1.1 431")


@pytest.mark.slow
def test_what_is_no_request_is_refused_as_all_is():
    with running() as server, socket.create_connection(address_of(server), 5) as rude:
        rude.sendall(b"\x16\x03\x01\x02\x00\x01")
        assert b'{"code":"not_http"' in rude.recv(4_096)


@pytest.mark.slow
def test_who_says_nothing_is_let_go(monkeypatch):
    monkeypatch.setattr("flowsense.serve.sockets.HEAD_S", 0.1)
    with running() as server, socket.create_connection(address_of(server), 5) as idle:
        assert idle.recv(1) == b""


@pytest.mark.slow
def test_more_connections_than_there_may_be_are_told_to_come_back(monkeypatch):
    monkeypatch.setattr("flowsense.serve.sockets.CONNECTIONS", 1)
    with (
        running() as server,
        socket.create_connection(address_of(server), 5),
        socket.create_connection(address_of(server), 5) as second,
    ):
        assert second.recv(4_096).startswith(b"HTTP/1.1 503")


class Away(Simulated):
    """Of a venue that cannot be reached the first times."""

    tried, away = 0, 2

    async def start(self):
        self.tried += 1
        if self.tried <= self.away:
            self.state = "failed"
            self.why = "okx: its instruments cannot be read (no route): try again"
            raise Unreachable(self.why)
        self.state = "stopped"
        await super().start()


def until(client, wanted):
    """The first health of which that holds."""
    while not wanted(found := client.health()):
        Event().wait(0.01)
    return found


def test_a_venue_that_cannot_be_reached_is_asked_until_it_can(monkeypatch):
    monkeypatch.setattr("flowsense.serve.run.AGAIN_S", 0.2)
    with running(Away()) as server, Client(server.url) as client:
        before = until(client, lambda found: not found.live)
        after = until(client, lambda found: found.ready)
    (why,) = before.reasons
    assert "okx: its instruments cannot be read (no route)" in why
    assert after.live and after.reasons == () and server.service.tried == 3


def test_who_stops_it_meanwhile_is_not_overruled(monkeypatch):
    monkeypatch.setattr("flowsense.serve.run.AGAIN_S", 0.2)
    service = Away()
    service.away = 1_000

    def stopped():
        service.state = "stopped"
        return service.tried

    with running(service) as server, Client(server.url) as client:
        until(client, lambda found: not found.live)
        tried = server.on_loop(stopped)
        until(client, lambda found: found.reasons == ("pipeline: stopped",))
    assert service.tried == tried


class Unknown(Simulated):
    async def start(self):
        raise InputError("okx does not list BTC: give symbols as okx writes them")


def test_what_no_other_try_would_mend_ends_it_with_the_sentence():
    with pytest.raises(InputError, match="okx does not list BTC"):
        asyncio.run(serve(Unknown(), Settings(port=0), stop=asyncio.Event()))
