"""An account on paper goes on where it was left, whoever ended it."""

import os
import signal
import subprocess
import sys
import time
from threading import Thread

import orjson
import pytest
from typer.testing import CliRunner

from flowsense.cli.app import app
from flowsense.cli.leaving import SIGNALS, leaving

MAKER = ["--strategy", "quote", "--lots", "1", "--rebate", "0.5", "--start", "2024-01-02"]
FILES = ("fills.jsonl", "marks.jsonl", "status.json", "sheet.json")


@pytest.fixture(scope="module")
def whole(ran, market, tmp_path_factory):
    """The folder of a session that nobody has interrupted."""
    out = tmp_path_factory.mktemp("whole") / "paper"
    words = ["paper", str(ran), str(market), *MAKER, "--out", str(out)]
    assert CliRunner().invoke(app, words).exit_code == 0
    return out


def found(folder):
    return {name: (folder / name).read_bytes() for name in FILES}


@pytest.mark.slow
def test_paper_ends_in_the_sheet_of_a_backtest(flowsense, ran, market, whole, tmp_path):
    assert flowsense("backtest", ran, market, *MAKER, "--out", tmp_path / "b").code == 0
    assert (whole / "sheet.json").read_bytes() == (tmp_path / "b/sheet.json").read_bytes()
    sheet = orjson.loads((whole / "sheet.json").read_bytes())
    lines = (whole / "fills.jsonl").read_bytes().splitlines()
    assert len(lines) > 50 and (whole / "sheet.html").is_file()
    status = orjson.loads((whole / "status.json").read_bytes())
    assert status["finished"] and status["arms"]["quote logistic"]["orders"] == sheet["orders"]


@pytest.mark.slow
def test_a_finished_session_says_so_and_stays_as_it_is(flowsense, ran, market, whole):
    before = found(whole), sorted(path.name for path in (whole / "journal").iterdir())
    said = flowsense("paper", ran, market, *MAKER, "--out", whole)
    assert said.code == 0 and "finished at event" in said.out and "sheet.html" in said.out
    assert "goes on" not in said.out
    assert before == (found(whole), sorted(path.name for path in (whole / "journal").iterdir()))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--taker", "-1"], "give 0 or more"),
        (["--capital", "0"], "above 0"),
        (["--speed", "0"], "--speed 0.0: give a number above 0"),
        (["--speed", "nan"], "--speed nan: give a number above 0"),
        (["--strategy", "quote"], "--lots N"),
    ],
)
def test_what_cannot_be_traded_is_refused(flowsense, ran, market, tmp_path, words, told):
    said = flowsense("paper", ran, market, *words, "--out", tmp_path / "c")
    assert said.code == 2 and told in said.err and said.err.count("\n") == 1
    assert not (tmp_path / "c").exists()


def test_sources_and_runs_that_are_none_are_refused(flowsense, ran, market, tmp_path):
    for words in (("paper", "none", market), ("paper", ran, "none")):
        said = flowsense(*words, *MAKER, "--out", "c")
        assert said.code == 2 and "none" in said.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_folders_of_others_are_refused(flowsense, ran, market, whole, tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "mine").write_text("mine")
    for out, told in (("d", "not a paper account"), ("d/mine", "is a file")):
        said = flowsense("paper", ran, market, *MAKER, "--out", out)
        assert said.code == 2 and told in said.err
    said = flowsense("paper", ran, market, *MAKER, "--capital", "7", "--out", whole)
    assert said.code == 2 and "capital 1000000.0, not 7.0" in said.err


def test_a_recording_outside_the_span_is_told(flowsense, ran, market, tmp_path):
    said = flowsense("paper", ran, market, *MAKER[:-1], "2030-01-01", "--out", "e")
    assert said.code == 2 and "widen" in said.err
    again = flowsense("paper", ran, market, *MAKER[:-1], "2030-01-01", "--out", "e")
    assert again.code == 2 and "goes on at event" in again.out


@pytest.fixture
def interrupted(flowsense, ran, market, tmp_path, monkeypatch):
    """A folder that SIGTERM left in the middle, and what was said on a terminal until then."""
    out, handlers = tmp_path / "paper", {n: signal.getsignal(n) for n in SIGNALS}

    def end():
        records = out / "journal/00000000.records"
        while not (records.exists() and records.stat().st_size):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = Thread(target=end, daemon=True)
    thread.start()
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    said = flowsense("paper", ran, market, *MAKER, "--out", out, "--speed", "1")
    thread.join(1)
    for number, handler in handlers.items():
        signal.signal(number, handler)
    return out, said


@pytest.mark.slow
def test_an_interrupted_session_shows_where_it_is_and_goes_on(
    flowsense, ran, market, whole, interrupted
):
    out, said = interrupted
    assert said.code == 0 and "saved at" in said.out
    assert "open orders" in said.err and "SIMB" in said.err
    newest = max((out / "journal").glob("*.state"))
    newest.write_bytes(b"damaged")
    again = flowsense("paper", ran, market, *MAKER, "--out", out)
    assert f"Note: {newest.name} is damaged" in again.out and "reconciled with" in again.out
    assert found(out) == found(whole)


def test_whoever_is_asked_twice_leaves_at_once(capsys):
    handlers = {n: signal.getsignal(n) for n in SIGNALS}
    with pytest.raises(SystemExit) as left, leaving() as asked:
        asked.gently = True
        signal.raise_signal(signal.SIGINT)
        assert asked.asked
        signal.raise_signal(signal.SIGTERM)
    assert left.value.code == 0 and "the same command goes on" in capsys.readouterr().err
    assert all(signal.getsignal(n) == signal.SIG_IGN for n in SIGNALS)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_before_there_is_anything_to_save_one_signal_is_enough():
    handlers = {n: signal.getsignal(n) for n in SIGNALS}
    with pytest.raises(SystemExit), leaving():
        signal.raise_signal(signal.SIGTERM)
    for number, handler in handlers.items():
        signal.signal(number, handler)
    with leaving():
        pass
    assert handlers == {n: signal.getsignal(n) for n in SIGNALS}


def began(ran, market, out, *more):
    """The command in a process of its own, once it has traded something."""
    code = "from flowsense.cli import main; main()"
    words = [sys.executable, "-c", code, "paper", ran, market, *MAKER, "--out", out, *more]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(list(map(str, words)), env=env, stdout=-1, stderr=-1, text=True)
    records = out / "journal" / "00000000.records"
    while not (records.exists() and records.stat().st_size) and process.poll() is None:
        time.sleep(0.01)
    return process


def ended(process, *signals):
    """Exit code, what was said, and the seconds that took."""
    since = time.monotonic()
    for number in signals:
        process.send_signal(number)
        time.sleep(0.05)
    out, err = process.communicate(timeout=60)
    return process.returncode, out + err, time.monotonic() - since


@pytest.mark.parametrize(
    "signals",
    [
        pytest.param((signal.SIGTERM,), marks=pytest.mark.slow),
        *(
            pytest.param(each, marks=pytest.mark.soak)
            for each in ((signal.SIGINT,), (signal.SIGINT, signal.SIGINT), (signal.SIGKILL,))
        ),
    ],
)
def test_ended_by_a_signal_it_goes_on(flowsense, ran, market, whole, tmp_path, signals):
    out = tmp_path / "paper"
    code, said, took = ended(began(ran, market, out, "--speed", "20"), *signals)
    killed = signal.SIGKILL in signals
    assert code == (-signal.SIGKILL if killed else 0) and took < 5
    assert killed or "the same command goes on" in said
    again = flowsense("paper", ran, market, *MAKER, "--out", out)
    assert again.code == 0 and "goes on at event" in again.out and "reconciled" in again.out
    assert found(out) == found(whole)


@pytest.mark.slow
def test_candles_are_traded_in_their_session(flowsense, candles, tmp_path):
    words = ["--models", "logistic", "--targets", "mid@5m", "--symbol", "TOY", "--out", "run"]
    assert flowsense("run", candles, *words).code == 0
    usual = ["run", candles, "--symbol", "TOY", "--confidence", "0.5", "--half-spread", "0.1"]
    usual += ["--session", "UTC 06:00-20:00"]
    assert flowsense("backtest", *usual, "--out", "b").code == 0
    done = flowsense("paper", *usual, "--out", "p")
    assert done.code == 0 and "executions" in done.out
    assert (tmp_path / "p/sheet.json").read_bytes() == (tmp_path / "b/sheet.json").read_bytes()
    other = flowsense("paper", *usual[:-1], "UTC 07:00-20:00", "--out", "p")
    assert other.code == 2 and "another folder" in other.err
    refused = flowsense("paper", *usual, "--latency", "5ms", "--out", "q")
    assert refused.code == 2 and "--delay N" in refused.err and not (tmp_path / "q").exists()
