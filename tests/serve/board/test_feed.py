"""The dashboard over real sockets: its stream, its keys, and its files."""

import asyncio
import json
from base64 import urlsafe_b64encode
from contextlib import contextmanager

import httpx
import pytest
from serving import ADMIN, READ, running
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from flowsense.serve.board import files
from flowsense.serve.board.feed import MOST, PATH, PROTOCOL, page_of
from flowsense.serve.board.files import File
from flowsense.serve.board.pages import QUEUE, Page
from flowsense.serve.keys import Keys, offered
from flowsense.serve.settings import Limits, Settings


class Told:
    """A board of nothing but a greeting: what is tested here is the way."""

    def __init__(self):
        self.pages, self.asks, self.health = set(), [], None

    def join(self, *, admin):
        page = Page(admin=admin)
        page.tell("hello", json.dumps({"topic": "hello", "admin": admin}).encode())
        self.pages.add(page)
        return page

    def leave(self, page):
        self.pages.discard(page)

    def asked(self, page, ask):
        self.asks.append(ask)
        page.answer([b"columns"])

    def close(self):
        for page in self.pages:
            page.close()


def key(text):
    return f"flowsense.key.{urlsafe_b64encode(text.encode()).decode().rstrip('=')}"


@contextmanager
def board(**settings):
    told = Told()
    with running(settings=Settings(port=0, board=told, **settings)) as server:
        yield told, server, server.url.replace("http", "ws") + PATH


def test_a_page_is_greeted_asks_and_is_answered():
    with board() as (told, _, url), connect(url, subprotocols=[PROTOCOL]) as page:
        assert page.subprotocol == PROTOCOL
        assert json.loads(page.recv()) == {"topic": "hello", "admin": True}
        page.send('{"watch": {"instrument": 1, "after": 5}}')
        assert page.recv() == b"columns"
        assert (told.asks[0].watch.instrument, told.asks[0].watch.after) == (1, 5)


@pytest.mark.parametrize("said", ["", "[]", '{"watch": {}}', '{"watch": 1}', "[" * 9_000, b"\x00"])
def test_what_no_page_asks_ends_it(said):
    with board() as (told, _, url), connect(url, subprotocols=[PROTOCOL]) as page:
        page.recv()
        page.send(said)
        with pytest.raises(ConnectionClosed) as closed:
            page.recv()
        assert closed.value.rcvd.code == 1008 and not told.asks


def test_who_asks_without_end_is_sent_away():
    with board() as (_, _, url), connect(url, subprotocols=[PROTOCOL]) as page:
        with pytest.raises(ConnectionClosed) as closed:
            for _ in range(300):
                page.send('{"marks": 1}')
            while True:
                page.recv()
        assert closed.value.rcvd.code == 1013


@pytest.mark.parametrize(
    ("offer", "admin"),
    [
        ([PROTOCOL, key(ADMIN)], True),
        ([PROTOCOL, key(READ)], False),
        ([key(READ), PROTOCOL], False),
    ],
)
def test_a_key_comes_as_a_subprotocol_and_is_not_sent_back(offer, admin):
    keys = Keys.of({READ: "read", ADMIN: "admin"})
    with board(keys=keys) as (_, _, url), connect(url, subprotocols=offer) as page:
        assert page.subprotocol == PROTOCOL
        assert json.loads(page.recv())["admin"] is admin


@pytest.mark.parametrize(
    ("offer", "status"),
    [
        ([PROTOCOL], 401),
        ([PROTOCOL, key("x" * 32)], 401),
        ([PROTOCOL, "flowsense.key.%%%"], 401),
        ([key(READ)], 426),
    ],
)
def test_without_a_key_or_the_protocol_nothing_opens(offer, status):
    with board(keys=Keys.of({READ: "read"})) as (told, _, url):
        with pytest.raises(InvalidStatus) as refused, connect(url, subprotocols=offer):
            pass
        assert refused.value.response.status_code == status and not told.pages


@pytest.mark.parametrize("offers", ["", "a, b", "flowsense.key.", "flowsense.key._"])
def test_no_key_is_found_where_there_is_none(offers):
    assert offered(offers) == ""


class Slow:
    """A socket that is never done with being accepted."""

    scope = {"subprotocols": [PROTOCOL]}  # noqa: RUF012 - nobody writes to it

    async def accept(self, subprotocol):
        await asyncio.Event().wait()


def test_pages_that_come_together_are_counted_before_they_are_accepted():
    async def work():
        told = Told()
        come = [page_of(Slow(), told, Limits(), admin=False) for _ in range(MOST + 1)]
        tasks = [*map(asyncio.ensure_future, come)]
        refused, there = await asyncio.wait(tasks, timeout=0.1)
        for task in there:
            task.cancel()
        await asyncio.gather(*there, return_exceptions=True)
        return [str(task.exception()) for task in refused], told.pages

    assert asyncio.run(work()) == (["There are too many pages."], set())


def test_a_server_that_stops_tells_its_pages():
    with board() as (told, server, url), connect(url, subprotocols=[PROTOCOL]) as page:
        page.recv()
        server.on_loop(told.close)
        with pytest.raises(ConnectionClosed) as closed:
            page.recv()
        assert closed.value.rcvd.code == 1001


def test_a_slow_page_loses_the_oldest_columns_and_no_state():
    page = Page(admin=False)
    page.show(bytes([k % 256]) for k in range(QUEUE + 10))
    for k in range(5):
        page.tell("alarms", b"%d" % k)

    first, rest = page.take(), [page.take() for _ in range(QUEUE)]

    assert first == (True, b"4") and rest[0] == (False, bytes([10])) and page.take() is None


@pytest.fixture
def built(monkeypatch):
    made = {"/": File("text/html; charset=utf-8", b"<p>page" * 99, b"packed", '"tag"')}
    made["/assets/a.js"] = File("text/javascript", b"1", b"p", '"js"')
    files.pages.cache_clear()
    for name in (
        "flowsense.serve.app.pages",
        "flowsense.serve.guard.pages",
        "flowsense.serve.board.files.pages",
    ):
        monkeypatch.setattr(name, lambda: made)
    return made


def test_files_are_open_packed_and_fetch_nothing_from_elsewhere(built):
    with board(keys=Keys.of({READ: "read"})) as (_, server, _), httpx.Client() as client:
        page = client.get(server.url + "/", headers={"accept-encoding": "identity"})
        again = client.get(server.url + "/", headers={"if-none-match": '"tag"'})
        assert page.status_code == 200 and page.content == built["/"].content
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert again.status_code == 304 and not again.content
        assert client.get(server.url + "/assets/a.js").status_code == 200
        assert client.get(server.url + "/assets/b.js").status_code == 401
