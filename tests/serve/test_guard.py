import asyncio
import os

import pytest
import structlog
from serving import ADMIN, READ, ask, asked, limited, started

from flowsense.errors import InputError
from flowsense.serve.app import STREAM
from flowsense.serve.guard import Guard
from flowsense.serve.keys import Keys
from flowsense.serve.rates import Rates
from flowsense.serve.settings import Settings
from flowsense.testing.service import Simulated
from flowsense.wall import pause

STATUS, PREDICT = "/api/v1/models/status", "/api/v1/predict"
BTC = {"instrument": "BTCUSDT"}
KEYED = Settings(keys=Keys.of({READ: "read", ADMIN: "admin"}))


def bearer(key):
    return {"authorization": f"Bearer {key}"}


def each(*requests, settings):
    return asyncio.run(asked(*requests, settings=settings))


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({}, 401),
        (bearer("x" * 32), 401),
        (bearer(READ + " "), 200),
        (bearer(READ[:-1]), 401),
        (bearer("é" * 32), 401),
        ({"authorization": f"Basic {READ}"}, 401),
        ({"authorization": READ}, 401),
        ({"authorization": "Bearer"}, 401),
        ({"authorization": f"bearer {ADMIN}"}, 200),
    ],
)
def test_only_who_has_a_key_may_ask(told, status):
    raw = {k: v.encode("latin-1") for k, v in told.items()}
    found = ask("GET", STATUS, settings=KEYED, headers=raw)
    assert found.status_code == status
    assert (found.headers.get("www-authenticate") == "Bearer") is (status == 401)


@pytest.mark.parametrize("path", ["models/reload", "pipeline/start", "pipeline/stop"])
@pytest.mark.parametrize(("key", "status"), [(READ, 403), ("", 401)])
def test_what_changes_things_needs_an_admin(path, key, status):
    told = bearer(key) if key else {}
    found = ask("POST", f"/api/v1/{path}", settings=KEYED, headers=told)
    assert found.status_code == status


def test_an_admin_may_change_things():
    assert ask("POST", "/api/v1/models/reload", settings=KEYED, headers=bearer(ADMIN)).is_success


def test_health_and_the_description_need_no_key():
    paths = ("/health", "/openapi.json", "/docs")
    found = each(*[("GET", path, {}) for path in paths], settings=KEYED)
    assert [f.status_code for f in found] == [200, 200, 200]


@pytest.mark.parametrize("name", ["token", "key", "api_key", "Access_Token", "authorization"])
def test_a_key_in_the_address_is_refused_with_a_sentence(name):
    found = ask("GET", f"{STATUS}?{name}={READ}", settings=KEYED, headers=bearer(READ))
    assert found.status_code == 400 and READ not in found.text
    assert found.json()["message"].startswith("A key never belongs in an address")


@pytest.mark.parametrize(
    "told",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example"},
        {"host": "127.0.0.1@evil.example"},
        {"host": ""},
        {"host": "[::1"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9"},
    ],
)
def test_other_hosts_and_pages_are_refused(told):
    assert ask("GET", STATUS, headers=told).status_code == 403


@pytest.mark.parametrize(
    "told",
    [
        {"host": "localhost:8000"},
        {"host": "[::1]:8000"},
        {"host": "127.0.0.1:8000", "origin": "http://127.0.0.1:8000"},
        {"host": "desk.example"},
        {"origin": "https://board.example"},
    ],
)
def test_hosts_and_pages_of_ours_may_ask(told):
    settings = Settings(hosts=("desk.example",), origins=("https://board.example",))
    assert ask("GET", STATUS, headers=told, settings=settings).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "desk.example"])
def test_off_loopback_it_needs_keys(host):
    with pytest.raises(InputError, match="FLOWSENSE_ADMIN_KEYS"):
        Settings(host=host)
    assert not Settings(host=host, keys=KEYED.keys).local


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.9.9.9"])
def test_on_loopback_it_needs_none(host):
    assert Settings(host=host).local


def test_who_asks_too_often_is_told_when_to_come_back():
    few = limited(rate=0.5, burst=3.0)
    found = each(*[("GET", STATUS, {})] * 4, settings=few)
    assert [f.status_code for f in found] == [200, 200, 200, 429]
    assert found[-1].headers["retry-after"] == "2" and found[-1].json()["code"] == "too_many"


def test_wrong_keys_are_soon_not_even_looked_at():
    wrong = ("GET", STATUS, {"headers": bearer("x" * 32)})
    right = ("GET", STATUS, {"headers": bearer(READ)})
    found = each(*[wrong] * 25, right, settings=KEYED)
    codes = [f.status_code for f in found]
    assert codes[:20] == [401] * 20 and set(codes[20:25]) == {429} and codes[25] == 200


def test_a_request_has_an_id_its_own_or_ours():
    mine, bad = {"x-request-id": "mine-1"}, {"x-request-id": "a b"}
    found = each(
        ("GET", STATUS, {"headers": mine}), ("GET", STATUS, {"headers": bad}), settings=None
    )
    assert found[0].headers["x-request-id"] == "mine-1"
    assert len(found[1].headers["x-request-id"]) == 16


def test_nothing_secret_is_logged_answered_or_shown():
    canary = "canary" * 6
    settings = Settings(keys=Keys.of({canary: "read"}))
    with structlog.testing.capture_logs() as logs:
        found = each(
            ("GET", STATUS, {"headers": bearer(canary)}),
            ("GET", f"{STATUS}?token={canary}", {"headers": bearer(canary)}),
            ("GET", f"{STATUS}?x={canary}", {"headers": bearer(canary)}),
            ("POST", PREDICT, {"json": {"x": canary}, "headers": bearer(canary)}),
            ("GET", STATUS, {"headers": bearer(canary + "!")}),
            settings=settings,
        )
    shown = [f.text + str(f.headers) for f in found]
    assert len(logs) == 5 and "canary" not in str(logs) + repr(settings) + "".join(shown)


class Slow(Simulated):
    async def of_row(self, columns, symbol, venue=""):
        await pause(60)


def test_too_slow_an_answer_is_given_up():
    row = BTC | {"features": {"spread": 1.0}}
    found = ask(
        "POST", PREDICT, json=row, settings=limited(request_s=0.01), service=started(0, Slow())
    )
    assert found.status_code == 504 and found.json()["code"] == "too_slow"


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/x", 404), ("PUT", PREDICT, 405)])
def test_the_router_refuses_as_all_do(method, path, status):
    found = ask(method, path)
    assert found.status_code == status and found.json()["code"]
    assert found.headers["content-type"] == "application/json"


def test_keys_come_from_the_environment_and_from_a_file(tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"# ours\n\nadmin {ADMIN}\n")
    file.chmod(0o600)
    keys = Keys.from_environment(
        {"FLOWSENSE_READ_KEYS": f"{READ}, {'s' * 32}", "FLOWSENSE_KEYS_FILE": str(file)}
    )
    assert keys.who(READ).scope == keys.who("s" * 32).scope == "read"
    assert keys.who(ADMIN).scope == "admin" and keys.who("") is None
    assert not Keys.from_environment({}).any


def test_a_key_taken_out_of_the_file_is_revoked_at_once(tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"read {READ}\nadmin {ADMIN}\n")
    file.chmod(0o600)
    keys = Keys.of({}, file)
    assert keys.who(READ)
    file.write_text(f"admin {ADMIN}\n")
    assert keys.who(READ) is None and keys.who(ADMIN)
    file.unlink()
    assert keys.who(ADMIN) is None and keys.any


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"write {READ}", "scope is read or admin"),
        (f"read {READ} more", "line 1: write a scope and a key"),
        ("read short", "24 or more"),
        ("\xff", "cannot be read"),
    ],
)
def test_a_bad_file_of_keys_is_refused_without_the_key(tmp_path, text, why):
    file = tmp_path / "keys"
    file.write_bytes(text.encode("latin-1"))
    file.chmod(0o600)
    with pytest.raises(InputError, match=why) as refused:
        Keys.of({}, file)
    assert READ not in str(refused.value)


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_a_file_of_keys_that_others_may_read_is_refused(tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"read {READ}\n")
    file.chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        Keys.of({}, file)


def test_buckets_are_bounded(monkeypatch):
    monkeypatch.setattr("flowsense.serve.rates.MOST", 10)
    rates = Rates(1.0, 2.0)
    for k in range(100):
        assert rates.take(str(k)) == 0.0
    assert len(rates.buckets) == 10


def test_a_socket_is_refused_by_a_code_where_there_are_no_words():
    """The server may not know how to answer a WebSocket over HTTP."""
    sent = []

    async def send(message):
        sent.append(message)

    host = [(b"host", b"127.0.0.1"), (b"origin", b"http://evil.example")]
    scope = {"type": "websocket", "path": STREAM, "query_string": b"", "headers": host}
    asyncio.run(Guard(None, Settings())(scope, None, send))
    assert [(m["type"], m["code"]) for m in sent] == [("websocket.close", 1008)]
