"""Over real sockets of the loopback address."""

import json
from contextlib import ExitStack, closing

import pytest
import websockets.sync.client
from serving import READ, running, started
from websockets import ConnectionClosed, InvalidStatus

from flowsense.client import ApiError, Client
from flowsense.serve.keys import Keys
from flowsense.serve.settings import Settings
from flowsense.testing.service import SPEC, Simulated


@pytest.fixture(scope="module")
def server():
    """Shared by tests that do not mind what others have made it predict."""
    with running() as server:
        server.advance(400)
        yield server


@pytest.fixture(scope="module")
def keyed():
    with running(started(), Settings(port=0, keys=Keys.of({READ: "read"}))) as server:
        yield server


@pytest.fixture
def client(server):
    with Client(server.url) as client:
        yield client


def connect(server, query="", **more):
    where = server.stream + query
    return websockets.sync.client.connect(where, proxy=None, close_timeout=0.1, **more)


def some(client, n, **wish):
    """The next messages."""
    with closing(client.stream(**wish)) as stream:
        return [next(stream) for _ in range(n)]


def code_of(socket):
    """With which the server closes it."""
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            socket.recv(10)
    return closed.value.rcvd.code if closed.value.rcvd else None


@pytest.mark.parametrize("format", ["json", "msgpack"])
def test_every_prediction_is_heard_once_and_in_order(server, client, format):
    since = server.service.count
    with closing(client.stream(since=since, format=format)) as stream:
        server.advance(40)
        heard = [next(stream).prediction for _ in range(server.service.count - since)]
    assert heard == list(server.service.kept)[-len(heard) :]
    assert [p.sequence for p in heard] == list(range(since + 1, server.service.count + 1))


def test_only_what_was_asked_for_is_heard(client):
    found = some(client, 20, since=0, symbols=["ETHUSDT"])
    assert {m.prediction.symbol for m in found} == {"ETHUSDT"}


def test_a_number_of_before_a_restart_leaves_a_hole(client):
    hole, first = some(client, 2, since=1_000_000)
    assert hole.hole.why == "restarted" and first.prediction.sequence == 1


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?format=xml", 422),
        ("?since=-1", 422),
        ("?since=a", 422),
        ("?since=99999999999999999999", 422),
        ("?symbols=X", 404),
        ("?x=1", 422),
        ("?token=abc", 400),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused_before_anything_is_accepted(server, query, status):
    with pytest.raises(InvalidStatus) as refused, connect(server, query):
        pass
    found = refused.value.response
    assert found.status_code == status
    assert json.loads(found.body).keys() == {"code", "message", "field", "hint"}


def test_the_client_says_what_is_wrong_with_its_wish(client):
    with pytest.raises(ApiError, match="there are BTCUSDT, ETHUSDT") as refused:
        some(client, 1, symbols=["X"])
    assert refused.value.code == "unknown_instrument"


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({}, 401),
        ({"Authorization": f"Bearer {'x' * 32}"}, 401),
        ({"Authorization": f"Bearer {READ}", "Origin": "http://evil.example"}, 403),
        ({"Authorization": f"Bearer {READ}"}, 101),
    ],
)
def test_only_who_has_a_key_may_listen(keyed, told, status):
    try:
        with connect(keyed, additional_headers=told) as listener:
            found = listener.response
    except InvalidStatus as refused:
        found = refused.response
    assert found.status_code == status


def test_the_client_brings_its_key(keyed):
    with Client(keyed.url, key=READ) as client:
        assert some(client, 1, since=0)[0].prediction.sequence == 1
    with Client(keyed.url) as client, pytest.raises(ApiError, match="A key is needed"):
        some(client, 1)


def test_a_stream_that_was_never_reached_is_not_waited_for():
    with Client("http://127.0.0.1:9") as client:
        with pytest.raises(ApiError, match="cannot be reached"):
            some(client, 1)
        with pytest.raises(ApiError, match="cannot be reached"):
            client.status()


@pytest.mark.parametrize(
    ("frame", "code"), [(b"x" * 70_000, 1009), ("hello", 1003)], ids=["large", "unasked"]
)
def test_nothing_is_to_be_said_to_the_stream(server, frame, code):
    with connect(server) as socket:
        socket.send(frame)
        assert code_of(socket) == code


def test_the_format_may_be_a_subprotocol(server):
    with connect(server, "?since=0", subprotocols=["flowsense.msgpack"]) as socket:
        assert socket.subprotocol == "flowsense.msgpack" and isinstance(socket.recv(), bytes)


def test_messages_are_json_that_anybody_reads(server):
    with connect(server, "?since=0") as socket:
        first = json.loads(socket.recv())["prediction"]
    assert first["sequence"] == 1 and first["should_trade"] is False


def test_the_client_reads_what_the_service_says(server, client):
    assert client.status() == server.service.status()
    assert client.latest("BTCUSDT") == server.service.latest("BTCUSDT")
    assert client.explain("BTCUSDT") == server.service.explain("BTCUSDT")
    assert client.reload().accepted and client.health().ready


def test_the_client_forecasts_rows_and_recordings(server, client):
    events = Simulated().events[:300]
    told = [dict(zip(events.dtype.names, e.tolist(), strict=True)) for e in events]
    found = client.predict_events(told)
    assert found and found[0].sequence == 0
    assert client.predict("BTCUSDT", {SPEC.columns[0]: 1.0}).symbol == "BTCUSDT"


def test_what_is_refused_is_one_exception(client):
    with pytest.raises(ApiError, match="there are BTCUSDT, ETHUSDT") as refused:
        client.latest("BTC")
    assert (refused.value.code, refused.value.status) == ("unknown_instrument", 404)


@pytest.mark.slow
def test_who_listens_is_told_that_the_server_stops():
    with ExitStack() as life:
        server = life.enter_context(running())
        with connect(server) as listener:
            life.close()
            assert code_of(listener) == 1001


@pytest.mark.slow
def test_who_is_cut_off_comes_back_where_it_was():
    """The server goes and comes again at the same address, with the same service."""
    service = Simulated()
    with ExitStack() as life:
        server = life.enter_context(running(service))
        server.advance(200)
        with Client(server.url) as client, closing(client.stream(since=0)) as stream:
            heard = [next(stream) for _ in range(5)]
            life.close()
            port = int(server.url.rpartition(":")[2])
            with running(service, Settings(port=port)) as again:
                again.advance(200)
                heard += [next(stream) for _ in range(service.count - 5)]
    assert [m.prediction.sequence for m in heard] == list(range(1, service.count + 1))
