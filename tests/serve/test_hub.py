import asyncio
from dataclasses import replace

import httpx
import pytest
import structlog
import websockets.frames
from serving import ask, started
from websockets.streams import StreamReader

from flowsense.errors import InputError
from flowsense.serve.app import STARTING, STREAM, app
from flowsense.serve.hub import Hub, Listener
from flowsense.serve.settings import Settings
from flowsense.serve.tasks import Tasks
from flowsense.serve.wire import Frame
from flowsense.served import Hole
from flowsense.testing.service import Simulated

ALL = frozenset[str]()


def taken(listener):
    """Bodies of what is to be sent."""
    return [frame.body for frame in iter(listener.take, None)]


def test_a_full_queue_drops_the_oldest_and_says_how_many():
    service = started()
    hub, listener = Hub(service), Listener(4, ALL)
    missed, first = hub.join(listener, None), service.count
    service.advance(100)
    lost = service.count - first - 4
    hole, *rest = taken(listener)
    assert missed == [] and lost > 4
    assert hole == {
        "hole": {"after": first, "next": first + lost + 1, "count": lost, "why": "slow"}
    }
    assert [r["prediction"]["sequence"] for r in rest] == [first + lost + k for k in range(1, 5)]
    assert taken(listener) == []


def test_what_is_not_listened_to_takes_no_room():
    service = started()
    hub, listener = Hub(service), Listener(1_000, frozenset({"ETHUSDT"}))
    hub.join(listener, None)
    service.advance(200)
    assert {b["prediction"]["symbol"] for b in taken(listener)} == {"ETHUSDT"}


def test_a_number_that_is_no_longer_kept_leaves_a_hole():
    service = started()
    while service.kept[0].sequence < 11:
        service.kept.popleft()
    hole, *kept = Hub(service).join(Listener(4, ALL), 4)
    assert hole == Hole(4, 11, 0, "gone") and kept == list(service.kept)


@pytest.mark.parametrize("since", [0, 3, 17])
def test_from_a_number_on_nothing_is_missed(since):
    service = started()
    assert Hub(service).join(Listener(4, ALL), since) == list(service.kept)[since:]


def test_what_is_no_number_is_not_sent_but_counted():
    service = started()
    hub, listener = Hub(service), Listener(4, ALL)
    hub.join(listener, None)
    bad = replace(service.kept[-1], magnitude=float("inf"))
    with structlog.testing.capture_logs() as logs:
        hub.hear(bad)
    assert taken(listener) == [] and hub.unsaid == 1 and "magnitude is inf" in str(logs)


@pytest.mark.parametrize("format", ["json", "msgpack"])
@pytest.mark.parametrize("length", [1, 60, 200, 70_000])
def test_a_frame_is_one_of_a_websocket(format, length):
    frame = Frame(Hole(1, 2, 3, "w" * length))
    reader = StreamReader()
    reader.feed_data(frame.whole(format))
    parsing = websockets.frames.Frame.parse(reader.read_exact, mask=False)
    with pytest.raises(StopIteration) as found:
        next(parsing)
    parsed = found.value.value
    assert bytes(parsed.data) == frame.content(format) and parsed.fin
    assert parsed.opcode.name == {"json": "TEXT", "msgpack": "BINARY"}[format]


@pytest.mark.parametrize("format", ["json", "msgpack"])
def test_another_server_speaks_to_listeners_too(format):
    """As ASGI has it, without a connection of ours."""
    said, service, gone = [], started(), asyncio.Event()
    wanted = len(service.kept) + 1

    async def receive():
        if not said:
            return {"type": "websocket.connect"}
        await gone.wait()
        return {"type": "websocket.disconnect", "code": 1000}

    async def send(message):
        said.append(message)
        if len(said) == wanted:
            gone.set()

    scope = {
        "type": "websocket",
        "path": STREAM,
        "query_string": b"since=0&format=" + format.encode(),
    }
    scope |= {"headers": [(b"host", b"127.0.0.1")], "subprotocols": [], "client": ("127.0.0.1", 1)}
    asyncio.run(app(service, Settings())(scope, receive, send))
    kind = {"json": "text", "msgpack": "bytes"}[format]
    assert [m["type"] for m in said] == ["websocket.accept"] + ["websocket.send"] * (wanted - 1)
    assert all(m[kind] for m in said[1:])


def test_who_listens_is_counted():
    told = []
    hub, listener = Hub(started(), lambda now, cut: told.append((now, cut))), Listener(4, ALL)
    hub.join(listener, None)
    hub.cut += 1
    hub.leave(listener)
    assert told == [(1, 0), (0, 1)]


class Late(Simulated):
    """Its first start fails."""

    tried = 0

    async def start(self):
        self.tried += 1
        if self.tried == 1:
            raise OSError("no way to the venue")
        await super().start()


def test_a_start_that_succeeds_later_makes_health_green():
    async def run():
        made = app(Late(), Settings())
        api = made.state.api
        with structlog.testing.capture_logs():
            await asyncio.gather(
                api.tasks.spawn(STARTING, api.service.start()), return_exceptions=True
            )
        red = api.health()
        transport = httpx.ASGITransport(made)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            await client.post("/api/v1/pipeline/start")
        return red, api.health()

    red, green = asyncio.run(run())
    assert not red.live and green.ready


def test_after_the_end_nothing_is_heard():
    service = started()
    hub = Hub(service)
    hub.close()
    hub.close()
    assert service.listeners == []


def health(service):
    found = ask("GET", "/health", service=service)
    return found.status_code, found.json()


def test_health_is_red_where_the_pipeline_failed():
    service = started()
    service.fail("the feed is gone")
    code, said = health(service)
    assert code == 503 and said["live"] is said["ready"] is False
    assert said["reasons"][0] == "the feed is gone"


def test_health_says_what_it_waits_for():
    code, said = health(Simulated())
    assert code == 200 and said["live"] and not said["ready"]
    assert said["reasons"] == ["pipeline: stopped"]


class Unready(Simulated):
    """Before its first start there is nothing to tell."""

    def status(self):
        raise InputError("the pipeline was never started: start it")


def test_health_is_told_before_there_is_a_status():
    code, said = health(Unready())
    assert code == 200 and said["reasons"] == ["the pipeline was never started: start it"]


def test_a_task_that_raises_makes_health_red_at_once():
    async def run():
        made = app(started(), Settings())
        api = made.state.api
        with structlog.testing.capture_logs():
            api.tasks.spawn("drift", asyncio.sleep(0, 1 / 1))
            api.tasks.spawn("alerts", fails())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        return api.health()

    found = asyncio.run(run())
    assert not found.live and found.reasons == ("alerts: OSError: no room",)


async def fails():
    raise OSError("no room")


def test_tasks_are_held_until_they_end():
    async def run():
        tasks = Tasks()
        task = tasks.spawn("waits", asyncio.sleep(60))
        held = set(tasks.running)
        await tasks.stop()
        return held == {task}, task.cancelled(), tasks.running, tasks.failed

    assert asyncio.run(run()) == (True, True, set(), {})
