"""Lines of JSON; canaries planted as secrets are in none of them."""

import json
import logging
import os

import pytest
import structlog

from flowsense.serve.logs import Lines, configure, spoken
from flowsense.serve.redact import HIDDEN, Redact, known

CANARY = "canary-7d20c9"


@pytest.fixture
def log(monkeypatch):
    """Configured by the test: the stream that is captured is another one there than here."""
    monkeypatch.setenv("FLOWSENSE_ADMIN_KEYS", f"first-key-0001, {CANARY}")
    handlers, level = logging.root.handlers[:], logging.root.level
    yield structlog.get_logger("test")
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_a_line_is_json_with_what_was_bound(log, capsys):
    configure()
    structlog.contextvars.bind_contextvars(id="r-1")
    log.info("request", path="/health", ms=1.5)
    log.debug("too little")

    line = json.loads(capsys.readouterr().err)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "request", "path": "/health", "ms": 1.5, "id": "r-1", "level": "info"}


def test_on_a_terminal_a_line_is_words_that_it_does_not_obey():
    event = {"event": "refused", "timestamp": "2026-01-02T03:04:05.6Z", "level": "info"}
    line = spoken(None, "info", event | {"path": "/\x1b[2J", "code": 404, "exception": "below"})
    assert line == "03:04:05 info: refused, path='/\\x1b[2J' code=404\nbelow"


def leaks(log):
    """Every way that one has been seen to go."""
    log.info(f"key {CANARY}")
    log.info("headers", headers={"Authorization": CANARY, "x": [b"bearer " + CANARY.encode()]})
    log.info("named", api_key=CANARY[::-1], webhook=CANARY)
    log.error("feed", address=f"wss://user:{CANARY}@host.example/ws?token={CANARY}")
    try:
        raise ValueError(f"https://hooks.example/services/{CANARY}")
    except ValueError:
        log.exception("failed")
        logging.getLogger("aiohttp").exception("of a library: %s", CANARY)


def test_planted_canaries_are_in_no_line(log, capsys):
    configure()
    leaks(log)

    told = capsys.readouterr().err
    assert CANARY not in told and CANARY[::-1] not in told
    assert len([json.loads(line) for line in told.splitlines()]) == 6
    assert "host.example" in told and "hooks.example" in told and "ValueError" in told


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("https://a.b/c/d?e=f#g next", "https://a.b next"),
        ("wss://u:p@a.b:80", "wss://a.b:80"),
        ("token=abc&x=1", f"token={HIDDEN}&x=1"),
        ("'secret': 'abc'", f"'secret': '{HIDDEN}'"),
        ("Authorization: Bearer abc.def", f"Authorization: Bearer {HIDDEN}"),
        ("a key was wrong: try again", "a key was wrong: try again"),
    ],
)
def test_what_stands_where_secrets_stand_is_hidden_without_being_known(text, left):
    assert Redact(frozenset()).text(text) == left


def test_numbers_and_names_that_are_none_stay():
    event = {"keys": True, "token": 3, "monkey": "x", "ms": 1.5, "who": None}

    assert Redact(frozenset())(None, "info", event) == event


def test_secrets_are_known_by_the_name_of_their_variable():
    found = known({"DATABENTO_API_KEY": "a" * 9, "HOME": "b" * 9, "X_TOKEN": "short"})

    assert found == {"a" * 9}


@pytest.mark.parametrize("text", ["a line", "x" * 100_000])
def test_a_full_disk_or_a_reader_that_left_costs_lines_and_no_answer(text):
    with open("/dev/full", "w") as full:
        lines = Lines(full)
        print(text, file=lines, flush=True)
        assert lines.lost
        with pytest.raises(OSError, match="No space left"):
            full.close()
    with os.fdopen(pipe_that_nobody_reads(), "w") as gone:
        lines = Lines(gone)
        print(text, file=lines, flush=True)
        assert lines.lost
        with pytest.raises(BrokenPipeError):
            gone.close()


def pipe_that_nobody_reads():
    there, here = os.pipe()
    os.close(there)
    return here
