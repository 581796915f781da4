"""The report of a recording: what is fine, what to look at, what is broken."""

import numpy as np
import pytest
from markets import L2, L3, book, stream

from flowsense.schema import CLEAR, EVENT, GAP, LAST, SECOND, SET, TRADE
from flowsense.sources.merge import Merged
from flowsense.sources.open import open_source
from flowsense.testing import Recording
from flowsense.testing.toy import by_order
from flowsense.train.health import REGULAR, RULES, examined

TWO_SIDED = book((1, 100, 5), (-1, 102, 5))


def judged(*lines, change=None):
    """Verdicts by finding, of one instrument."""
    events = stream(*TWO_SIDED, *lines)
    events["sequence"] += 1
    if change:
        change(events)
    return verdicts(Recording((L2,), events))


def verdicts(source):
    return {f.name: f.verdict for f in examined(source).findings}


def quiet(n):
    return ((SET, 1, 99, k + 1, LAST) for k in range(n))


def crossed(n):
    return ((SET, 1, 103, 1, LAST), *quiet(n), (SET, 1, 103, 0, LAST))


def test_a_clean_market_is_fine():
    report = examined(Recording((L3,), by_order(3_000, 3)))
    assert report.verdict == "fine" and not [f for f in report.findings if f.verdict != "fine"]


@pytest.mark.parametrize(("lines", "verdict"), [(crossed(1), "look"), (crossed(20), "broken")])
def test_a_crossed_book_is_judged_by_its_share_of_time(lines, verdict):
    assert judged(*quiet(500), *lines)["crossed"] == verdict


def test_what_is_lost_until_the_end_counts_up_to_the_end():
    found = judged(*quiet(100), (CLEAR, 0, 0, 0, GAP), *quiet(100))
    assert (found["gap"], found["lost"]) == ("broken", "broken")


def test_where_one_of_several_recordings_ends_nothing_is_lost():
    a, b = by_order(400, 1), by_order(800, 2)
    one, two = (Listed((i,), e) for i, e in ((L3, a), (L3._replace(symbol="C"), b)))
    assert not {"gap", "lost"} & verdicts(Merged((one, two))).keys()


class Listed(Recording):
    files = ()


@pytest.mark.parametrize(
    ("ahead_s", "verdict"), [(0.2, None), (-0.2, "look"), (2, "look"), (-300, "broken")]
)
def test_the_clock_is_judged_by_its_median(ahead_s, verdict):
    def shift(events):
        events["ts_event"] += 1_000 * SECOND
        events["ts_recv"] = events["ts_event"] + int(ahead_s * SECOND)

    assert judged(*quiet(100), change=shift).get("clock skew") == verdict


def test_two_clocks_that_are_apart_are_told():
    a, b = by_order(600, 1, 0), by_order(600, 2, 1)
    b["ts_event"] -= SECOND // 2
    a["ts_event"] -= 1_000
    both = np.concatenate([a, b])
    both = both[np.argsort(both["ts_recv"], kind="stable")].view(EVENT)
    found = examined(Recording((L3, L3._replace(symbol="C")), both)).findings
    (one,) = (f for f in found if f.name == "clocks apart")
    assert one.worst == pytest.approx(0.5, rel=0.03) and one.about == "C against A"


def test_a_huge_trade():
    sizes = [4, 5, 6, 4, 5, 9_000]
    found = judged(*((TRADE, 1, 102, n, LAST) for n in sizes))
    assert found["huge trade"] == "look"


def test_every_rule_says_what_it_means():
    assert all(rule.look <= rule.broken for rule in RULES.values())
    assert all(rule.what for name, rule in RULES.items() if name != "bar without volume")


SEEN = {  # path below the recordings, options: verdict, findings to look at
    "lobster/AAPL_2012-06-21_34200000_52200000_message_1.csv.zst": ("fine", {}),
    "binance_ws_raw/spot_btcusdt_20240808.jsonl.zst": (
        "look",
        {"clock skew": 133_830, "huge trade": 35},
    ),
    "bitstamp_l3/2015-05-01_00-16h.log.zst": ("look", {"irregular messages": 672}),
    "bitfinex_1h/BTCUSD.parquet": ("look", {"missing bars": 103, "jump": 66}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SEEN)
def test_what_the_recordings_show(data, name):
    report = examined(open_source(data / name))
    odd = {f.name: f.count for f in report.findings if f.verdict != "fine"}
    verdict, found = SEEN[name]
    assert report.verdict == verdict and found.items() <= odd.items()


@pytest.mark.slow
def test_the_recorder_of_2024_was_behind_the_exchange(data):
    report = examined(open_source(data / "binance_ws_raw" / "usdm_ethusdt_20240718.jsonl.zst"))
    (one,) = report.streams
    assert -1.6 < one.lag["50 %"] < -1.1
    assert [f.name for f in report.findings if f.verdict != "fine"].count("clock skew") == 1


def test_bars_beside_trades_are_no_pause_and_days_without_volume_are_not_looked_at(tmp_path):
    rows = [f"{86_400 * k},10" for k in range(1, 60)]
    (tmp_path / "days.csv").write_text("\n".join(["ts,close", *rows]) + "\n")
    (tmp_path / "trades.csv").write_text("ts,price,size\n9000000,10,1\n9000001,11,2\n")
    paths = [f"candles:{tmp_path / 'days.csv'}?columns=open=,high=,low=", tmp_path / "trades.csv"]
    assert not {"pause", "bar without volume", "gap"} & verdicts(open_source(paths)).keys()


def test_which_names_are_those_of_messages():
    names = ("depth", "message A", "end of session", "packet of session 1", "repeated depth", "gap")
    assert [n for n in names if not REGULAR.fullmatch(n)] == ["repeated depth"]


def test_an_instrument_that_is_heard_no_more_is_silent_to_the_end():
    a, b = by_order(3_000, 1, 0), by_order(60, 2, 1)
    a["ts_recv"] = a["ts_event"] = a["ts_recv"][0] + 100 * SECOND // 1_000 * np.arange(len(a))
    both = np.concatenate([a, b])
    both = both[np.argsort(both["ts_recv"], kind="stable")].view(EVENT)
    found = examined(Recording((L3, L3._replace(symbol="C")), both)).findings
    (silent,) = (f for f in found if f.name == "silent")
    assert silent.about == "C toy" and silent.verdict == "broken" and silent.worst > 200


def test_what_is_observed_is_a_stream_of_its_own(tmp_path):
    rows = ["0,5,20", "60,65,21", "60,70,22", "30,80,23"]
    (tmp_path / "vix.csv").write_text("\n".join(["ts,known,vix", *rows]) + "\n")
    report = examined(open_source(tmp_path / "vix.csv"))
    (vix,) = report.streams
    assert (vix.about, vix.records, vix.lag["1 %"]) == ("vix", 4, pytest.approx(5, rel=0.03))
    assert {f.name: f.count for f in report.findings} == {"revised": 1, "told late": 1}


def test_a_recording_without_events_has_nothing_to_judge():
    report = examined(Recording((L3,), by_order(10)[:0]))
    assert report.verdict == "fine" and not report.streams and not report.findings
