"""Finished runs over HTTP: what is listed, what pages are told, and what is refused."""

import asyncio
import json
import os
import re
import shutil
import threading
from dataclasses import fields
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from serving import READ, ask, started_once

from flowsense.backtest import FILL, MARK, Result
from flowsense.backtest.sheet import told, write
from flowsense.cli.compare import lines
from flowsense.evaluate.report import verdict
from flowsense.forecast import Target
from flowsense.schema import zeros
from flowsense.serve import finished
from flowsense.serve.app import app
from flowsense.serve.folders import LOOKED, Walk
from flowsense.serve.keys import Keys
from flowsense.serve.problems import Refused
from flowsense.serve.runs import MOST, Asked, Shelf, beside
from flowsense.serve.settings import Settings
from flowsense.simulate.market import Market, simulate
from flowsense.testing import Recording
from flowsense.train.config import RunConfig
from flowsense.train.pairs import pair
from flowsense.train.run import run

PAGE = "/api/v1/runs/{}/files/{}"


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A folder of two runs of one recording, and of a backtest that one of them made of itself."""
    root = tmp_path_factory.mktemp("finished") / "runs"
    made = simulate(Market.tiny(), 240, 3)
    targets = (Target.parse("magnitude@1s"), Target.parse("mid@500ms"))
    config = RunConfig(("vote", "imbalance"), targets=targets, validation="time-series:2")
    run(Recording(made.instruments, made.events), config).save(root / "first")
    shutil.copytree(root / "first", root / "more" / "second")
    results = root / "more" / "second" / "metrics.json"
    other = {"vote": "imbalance", "imbalance": "vote"}
    metrics = json.loads(results.read_bytes())
    results.write_text(json.dumps(metrics | {"chosen": other[metrics["chosen"]]}))
    write(root / "first" / "backtest" / "taker", told(traded()))
    return root


def traded():
    """A result that lost one in a thousand."""
    marks = zeros(MARK, 50)
    marks["ts"] = 60_000_000_000 * np.arange(50)
    marks["equity"] = marks["gross"] = np.linspace(1_000.0, 999.0, 50)
    return Result("follow vote", 1_000.0, (), marks, zeros(FILL), {"sent": 0}, {})


@pytest.fixture
def folder(tmp_path):
    """One with a page that holds nothing but a word."""
    place = tmp_path / "runs" / "btc"
    place.mkdir(parents=True)
    (place / "report.html").write_text("secret")
    (tmp_path / "report.html").write_text("outside")
    return tmp_path / "runs"


def get(path, root, **more):
    return ask("GET", path, settings=Settings(runs=root, **more.pop("settings", {})), **more)


@pytest.mark.slow
def test_every_run_is_told_with_its_scores_beside_their_nulls(real):
    found = get("/api/v1/runs", real).json()
    assert [
        (one["name"], one["kind"]) for one in sorted(found["runs"], key=lambda r: r["name"])
    ] == [
        ("first", "run"),
        ("first/backtest/taker", "backtest"),
        ("more/second", "run"),
    ]
    metrics = json.loads((real / "first" / "metrics.json").read_bytes())
    mine = next(one for one in found["runs"] if one["name"] == "first")
    assert mine["title"] == verdict.title(metrics) and mine["model"] == metrics["chosen"]
    assert [one["target"] for one in mine["scores"]] == ["mid@500ms", "magnitude@1s"]
    for one in mine["scores"]:
        entry = metrics["models"][mine["model"]][one["target"]]
        right = verdict.judge(entry, one["score"])
        assert (one["value"], one["beside"]) == (right.value, right.beside)
        assert (one["stands"], one["rows"]) == (right.mark, entry["n"])
        assert one["null"] == verdict.spoken(right.null)
        assert one["ci95"] == (list(right.interval) if right.interval else None)
    assert all(one["why"] == "" for one in found["runs"]) and found["left_out"] == 0


@pytest.mark.slow
def test_the_newest_is_the_first(real):
    results = real / "more" / "second" / "metrics.json"
    os.utime(results, ns=(1, 2_000_000_000 * 10**9))
    found = get("/api/v1/runs", real).json()["runs"]
    assert found[0]["name"] == "more/second" and found[0]["when"] == 2_000_000_000 * 10**9


@pytest.mark.slow
def test_a_backtest_stands_beside_doing_nothing_and_its_run_names_its_page(real):
    found = {one["name"]: one for one in get("/api/v1/runs", real).json()["runs"]}
    one, [score] = (mine := found["first/backtest/taker"]), mine["scores"]
    assert score["value"] == pytest.approx(-0.001) and score["beside"] == 0
    assert (score["null"], score["stands"]) == ("doing nothing", "level")
    assert one["title"] == "follow vote made no trade"
    assert [page["title"] for page in found["first"]["pages"]] == ["report", "tear sheet of taker"]
    for page in found["first"]["pages"]:
        assert get(page["path"], real).status_code == 200


@pytest.mark.slow
def test_a_page_comes_as_it_lies_there_and_may_do_nothing(real):
    found = get(PAGE.format("first", "report.html"), real)
    assert found.content == (real / "first" / "report.html").read_bytes()
    assert found.headers["content-type"].startswith("text/html")
    policy = dict(
        part.strip().partition(" ")[::2]
        for part in found.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'" and "sandbox" in policy and "script-src" not in policy
    assert policy["sandbox"] == "" and policy["frame-ancestors"] == "'self'"
    assert found.headers["x-content-type-options"] == "nosniff"


BAD = (
    *("", ".", "..", "../runs/btc", "btc/..", "btc/../btc", "./btc", "btc/.", "/btc", "btc/"),
    *("btc\0", "btc\n", "btc\\..", "%2e%2e", "..%2fbtc", "b\u00e4c", "x" * 101, "a/" * 4 + "btc"),
    *(
        "~",
        "$HOME",
        "nothing",
        "C:",
        "btc;",
        " btc",
        "\ufffd",
        "a" * 5_000,
        ".hidden",
        "report.html",
    ),
)


def decoded(path, root):
    """What is answered to an address that no client has put in order: status and body."""
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
    scope |= {"headers": [(b"host", b"127.0.0.1")], "client": ("127.0.0.1", 1), "root_path": ""}
    said = []

    async def hear():
        return {"type": "http.request", "body": b""}

    async def say(message):
        said.append(message)

    asyncio.run(app(started_once(), Settings(runs=root))(scope, hear, say))
    return said[0]["status"], b"".join(one.get("body", b"") for one in said)


@pytest.mark.parametrize("name", BAD)
def test_a_name_that_is_none_is_refused(folder, name):
    for path in (PAGE.format(name, "report.html"), PAGE.format(quote(name, ""), "report.html")):
        status, body = decoded(path, folder)
        assert status == 404 and set(json.loads(body)) == {"code", "message", "field", "hint"}
    for names in ({"a": name, "b": "btc"}, {"a": "btc", "b": name}):
        found = get("/api/v1/runs/compare", folder, params=names)
        assert (found.status_code, found.json()["code"]) == (404, "unknown_run")


OTHERS = ("metrics.json", "../report.html", "report.html.", "REPORT.HTML", "", ".", "report.html\n")


@pytest.mark.parametrize("file", OTHERS)
def test_no_other_file_is_told(folder, file):
    (folder / "btc" / "metrics.json").write_text("{}")
    status, body = decoded(PAGE.format("btc", file), folder)
    assert status == 404 and json.loads(body)["message"]


def test_links_lead_nowhere(folder, tmp_path):
    (folder / "link").symlink_to(folder / "btc")
    (folder / "other").mkdir()
    (folder / "other" / "report.html").symlink_to(tmp_path / "report.html")
    (folder / "other" / "metrics.json").symlink_to(folder / "btc" / "report.html")
    for name in ("link", "other"):
        assert get(PAGE.format(name, "report.html"), folder).status_code == 404
    assert get("/api/v1/runs", folder).json()["runs"] == []
    assert get("/api/v1/runs/compare?a=link&b=other", folder).status_code == 404


def test_what_is_no_file_is_not_read(folder):
    place = folder / "odd"
    place.mkdir()
    os.mkfifo(place / "report.html")
    (place / "sheet.html").mkdir()
    for file in ("report.html", "sheet.html"):
        assert get(PAGE.format("odd", file), folder).status_code == 404


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{", '{"schema": 1}', "\0", "[" * 10_000),
        '{"schema": 1, "models": {}, "chosen": 3}',
        '{"schema": 1, "models": {"a": {"mid@1s": 3}}, "chosen": "a", "data": {}}',
    ],
)
def test_what_is_damaged_is_told_as_that(folder, text):
    (folder / "btc" / "metrics.json").write_text(text)
    (folder / "sheet").mkdir()
    (folder / "sheet" / "sheet.json").write_text(text)
    found = get("/api/v1/runs", folder)
    assert found.status_code == 200
    assert {one["name"]: one["why"] for one in found.json()["runs"]} == {
        "btc": "its results are damaged: run again.",
        "sheet": "its results are damaged: trade again.",
    }


def test_a_schema_of_later_is_named(folder):
    (folder / "btc" / "metrics.json").write_text('{"schema": 2}')
    [one] = get("/api/v1/runs", folder).json()["runs"]
    assert one["why"] == "its results are not of schema 1: run again."


@pytest.mark.slow
def test_a_run_that_was_made_again_is_read_again(real, tmp_path):
    shelf = Shelf(shutil.copytree(real, tmp_path / "runs"))
    once = shelf.listed()
    assert all(x is y for x, y in zip(once.runs, shelf.listed().runs, strict=True))
    (tmp_path / "runs" / "first" / "metrics.json").write_text("{}")
    changed = {one.name: one.why for one in shelf.listed().runs}
    assert changed["first"] and not changed["more/second"]
    shutil.rmtree(tmp_path / "runs" / "first")
    assert [one.name for one in shelf.listed().runs] == ["more/second"]


def test_it_looks_two_folders_deep_and_leaves_out_what_has_an_odd_name(tmp_path):
    for name in ("a", "b/c", "d/e/f", ".g", "h\u00e4", "a/checkpoints/x"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "metrics.json").write_text("{}")
    found = get("/api/v1/runs", tmp_path).json()
    assert {one["name"] for one in found["runs"]} == {"a", "b/c"} and found["left_out"] == 1


def test_what_is_listed_and_looked_at_is_bounded(tmp_path, monkeypatch):
    for k in range(MOST + 3):
        (tmp_path / f"r{k}").mkdir()
        (tmp_path / f"r{k}" / "metrics.json").write_text("{}")
    found = get("/api/v1/runs", tmp_path).json()
    assert (len(found["runs"]), found["left_out"]) == (MOST, 3)
    walk = Walk(tmp_path)
    walk._left = 10
    assert len([*walk.places()]) < 10 and walk.odd and LOOKED > 10


@pytest.mark.slow
def test_a_comparison_is_that_of_the_command(real):
    found = get("/api/v1/runs/compare?a=first&b=more/second", real).json()
    right = pair(real / "first", real / "more" / "second")
    assert (found["a"]["name"], found["a"]["model"]) == ("first", right["a"]["model"])
    assert found["common"] == right["common"] and found["luck"] == right["luck"]
    assert [one["target"] for one in found["targets"]] == [*right["targets"]]
    for one in found["targets"]:
        cells = right["targets"][one["target"]]["cells"]
        same = {cell.pop("score"): cell for cell in one["scores"]}
        assert same == json.loads(json.dumps(cells)) and [*lines(one["target"], cells)]
        assert one["verdict"] == right["targets"][one["target"]]["verdict"]
        turns = right["targets"][one["target"]]["in_turn"]
        assert {each["score"]: each["better"] for each in one["in_turn"]} == {
            name: each["better"] for name, each in turns.items()
        }
    assert str(real.parent) not in json.dumps(found)


@pytest.mark.slow
def test_a_run_beside_itself_is_no_better(real):
    found = get("/api/v1/runs/compare?a=first&b=first", real).json()
    assert {one["better"] for t in found["targets"] for one in t["scores"]} == {None}
    assert {one["difference"] for t in found["targets"] for one in t["scores"]} <= {0.0, None}


@pytest.mark.slow
def test_runs_without_a_row_in_common_are_refused_without_telling_where_they_lie(real, tmp_path):
    import pyarrow.parquet as pq

    root = shutil.copytree(real, tmp_path / "runs")
    chosen = json.loads((root / "first" / "metrics.json").read_bytes())["chosen"]
    file = root / "first" / "forecasts" / f"{chosen}.parquet"
    pq.write_table(pq.read_table(file).slice(0, 1), file)
    other = root / "more" / "second" / "forecasts"
    for each in other.iterdir():
        pq.write_table(pq.read_table(each).slice(5), each)
    found = get("/api/v1/runs/compare?a=first&b=more/second", root)
    assert found.status_code == 409 and "no row in common" in found.json()["message"]
    assert str(tmp_path) not in found.text
    file.write_bytes(b"PAR1 and nothing more PAR1")
    found = get("/api/v1/runs/compare?a=first&b=more/second", root)
    assert found.status_code == 409 and str(tmp_path) not in found.text


@pytest.mark.parametrize("chosen", ["../../../x", "nothing", 3, None, "a/b"])
def test_a_choice_that_leads_elsewhere_is_not_followed(folder, chosen):
    (folder / "btc" / "metrics.json").write_text(json.dumps({"schema": 1, "chosen": chosen}))
    found = get("/api/v1/runs/compare?a=btc&b=btc", folder)
    assert found.status_code == 409 and "no forecasts" in found.json()["message"]


@pytest.mark.parametrize(
    "query", ["", "?a=btc", "?a=btc&b=btc&c=1", "?a=btc&a=btc&b=btc", "?b=btc", "?a=btc&b=btc&b=x"]
)
def test_a_comparison_takes_two_names_and_nothing_else(folder, query):
    found = get(f"/api/v1/runs/compare{query}", folder)
    assert found.status_code == 422 and found.json()["message"]


def test_without_a_folder_it_says_how_to_name_one():
    for path in ("/api/v1/runs", "/api/v1/runs/compare?a=x&b=y", PAGE.format("x", "report.html")):
        found = get(path, None)
        assert (found.status_code, found.json()["code"]) == (404, "no_runs")
        assert "--runs DIR" in found.json()["hint"]


def test_a_key_that_may_read_is_enough_and_one_is_needed(folder):
    settings = {"keys": Keys.of({READ: "read"})}
    for path in ("/api/v1/runs", PAGE.format("btc", "report.html")):
        assert get(path, folder, settings=settings).status_code == 401
        told = {"authorization": f"Bearer {READ}"}
        assert get(path, folder, settings=settings, headers=told).status_code == 200


def test_the_same_is_read_once_for_all_who_ask_and_the_loop_goes_on():
    begun, go_on = [], threading.Event()

    def slow():
        begun.append(threading.get_ident())
        assert go_on.wait(10)
        return "read"

    async def both():
        of = Asked(None)
        one, other = (asyncio.ensure_future(of.answer(slow)) for _ in range(2))
        while not begun:
            await asyncio.sleep(0)
        one.cancel()  # who asks gives up: the other is answered all the same
        go_on.set()
        assert await other == "read" and not of._running
        return one

    assert asyncio.run(both()).cancelled()
    assert len(begun) == 1 and begun[0] != threading.get_ident()


def test_too_much_at_once_is_told_to_come_back():
    go_on = threading.Event()

    async def many():
        of = Asked(None)
        held = [
            asyncio.ensure_future(of.answer(lambda _: go_on.wait(10), str(k))) for k in range(8)
        ]
        await asyncio.sleep(0)
        with pytest.raises(Refused) as refused:
            await of.answer(lambda _: 0, "one more")
        go_on.set()
        await asyncio.gather(*held)
        return refused.value

    assert asyncio.run(many()).status == 503


@pytest.mark.slow
def test_the_folder_of_the_served_run_is_taken_where_it_holds_others(real, tmp_path):
    assert beside(real / "first") == real.resolve()
    assert beside(real / "first" / "checkpoints" / "vote") == real.resolve()
    alone = shutil.copytree(real / "first", tmp_path / "alone" / "first")
    assert beside(alone) is None and beside(tmp_path) is None


def test_the_page_takes_what_is_told_field_by_field():
    page = Path(__file__).parents[2] / "dashboard/src/runs/told.ts"
    blocks = re.findall(r"interface (\w+) \{(.*?)\n\}", page.read_text(), re.DOTALL)
    said = {name: re.findall(r"readonly (\w+):", body) for name, body in blocks}
    del said["Problem"]  # of all refusals
    assert len(said) == 9
    assert said == {name: [f.name for f in fields(getattr(finished, name))] for name in said}
