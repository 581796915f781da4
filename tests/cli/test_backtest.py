import orjson
import pytest

COSTS = ["--taker", "0.5", "--maker", "0.1", "--latency", "5ms"]


def sheet(out):
    return orjson.loads((out / "sheet.json").read_bytes())


def test_a_run_ends_in_trades_of_what_it_chose(ran):
    found = orjson.loads((ran / "metrics.json").read_bytes())
    traded = found["backtest"]
    assert list(traded) == ["taker", "maker", "maker without forecasts"]
    assert traded["maker"]["executions"] > 0 and traded["maker"]["model"] == found["chosen"]
    assert sum(traded["taker"]["vetoes"].values()) > 0
    sheets = {path.parent.name for path in (ran / "backtest").glob("*/sheet.html")}
    assert sheets == {"taker", "maker", "maker-without-forecasts"}
    assert "taker" in (ran / "report.html").read_text()


def test_a_run_is_traded_where_its_scores_begin(flowsense, ran, market, tmp_path):
    words = ("--confidence", 0.5, "--lots", 1, *COSTS)
    done = flowsense("backtest", ran, market, *words, "--out", tmp_path / "a")
    found = sheet(tmp_path / "a")
    assert found["name"] == "follow logistic" and (tmp_path / "a/sheet.html").is_file()
    assert found["measures"]["end"] - found["measures"]["start"] < 60e9  # a fifth of four minutes
    assert "orders sent" in done.out and "sheet.html" in done.out
    assert "--start widens it" in done.out and "UTC\n" in done.out
    assert "1 lot of " in done.out and "Note: an execution is worth" not in done.out


@pytest.mark.slow
def test_a_maker_quotes_and_another_start_is_longer(flowsense, ran, market, tmp_path):
    model, maker = ran / "checkpoints/logistic", ["--strategy", "quote", "--lots", 1]
    early = ["--start", "2024-01-02T00:00", "--sensitivity"]
    said = flowsense("backtest", model, market, *maker, *early, "--out", tmp_path / "b")
    assert said.code == 0, said.err
    found = sheet(tmp_path / "b")
    assert (
        found["orders"]["sent"] > 10
        and found["measures"]["end"] - found["measures"]["start"] > 2e11
    )
    assert [s["name"] for s in found["sensitivity"]] == ["latency", "capacity"]  # nothing costs
    assert len((tmp_path / "trials.jsonl").read_bytes().splitlines()) == 1


@pytest.mark.slow
def test_what_is_tried_on_the_same_files_is_counted(flowsense, ran, market, tmp_path):
    for rebate, begin in ((0, "2024-01-02T00:00"), (0, "2024-01-02T14:31"), (9, "2024-01-02")):
        words = ("--strategy", "quote", "--lots", 1, "--rebate", rebate, "--start", begin)
        assert flowsense("backtest", ran, market, *words, "--out", "new/b").code == 0
    tried = [orjson.loads(x) for x in (tmp_path / "new/trials.jsonl").read_bytes().splitlines()]
    assert len({trial["data"] for trial in tried}) == 1
    assert tried[0]["config"] != tried[2]["config"]


@pytest.mark.slow
def test_a_dry_run_tells_what_trading_would_take(flowsense, market, tmp_path):
    words = ("--models", "fast", "--families", "depth", "--targets", "mid@1s", "--dry-run")
    said = flowsense("run", market, *words, "--out", tmp_path / "x").out
    assert "Then hears them together: " in said and "Then trades the chosen: " in said
    words = ("--models", "logistic", "--families", "depth", "--targets", "magnitude@1s")
    said = flowsense("run", market, *words, "--out", tmp_path / "x", "--dry-run").out
    assert "together" not in said and "trades" not in said
