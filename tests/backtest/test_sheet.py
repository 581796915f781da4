"""The sheet says what its numbers allow, first of all whether it is luck; empty results too."""

import json
from html.parser import HTMLParser

import numpy as np
import orjson
import pytest

from flowsense.backtest import FILL, MARK, Result, sheet
from flowsense.backtest.bars import Frictions
from flowsense.backtest.sensitivity import Point, Sensitivity
from flowsense.backtest.sheet import plots, sections, tables, verdict, words
from flowsense.backtest.sheet.content import POINTS, finite
from flowsense.backtest.stress import Outcome
from flowsense.errors import InputError
from flowsense.evaluate.report.markup import DASH, MINUS
from flowsense.evaluate.tried import Trials
from flowsense.exchange.latency import Constant
from flowsense.exchange.replay import Rules
from flowsense.schema import DAY, SECOND, Decimal, Instrument, zeros

X = Instrument("X", "v", Decimal(1, -1), Decimal(1, 0))  # a tick and lot is worth 0.1
Y = X._replace(symbol="Y")
T0 = int(np.datetime64("2020-01-01T00:00", "ns").astype(np.int64))
HOSTILE = "<script>alert(1)</script>$x$"
NAN = float("nan")


def made(net, costs=0.0, step=DAY, fills=(), instruments=(X,), name="rule", **more):
    """Marks of a capital of 1,000 that gains `net` (m,); a tenth of `costs` are fees."""
    net = np.asarray(net, float)
    marks = zeros(MARK, len(net))
    marks["ts"] = T0 + step * np.arange(1, len(net) + 1)
    paid = costs * np.arange(1, len(net) + 1) / max(len(net), 1)
    marks["equity"], marks["gross"] = 1_000 + net, 1_000 + net + paid
    marks["fees"], marks["slippage"] = paid / 10, paid * 9 / 10
    marks["turnover"], marks["regime"] = (10_000 if len(fills) else 0), -1
    told = zeros(FILL, len(fills))
    for f, values in zip(told, fills, strict=True):
        for key, x in zip(("ts", "side", "lots", "price", "fee", "mid2", "decided2", "maker"),
                          values, strict=True):  # fmt: skip
            f[key] = x
    orders = {"sent": 4, "filled": 3}
    return Result(name, 1_000.0, instruments, marks, told, orders, more or {"seed": 1})


def walk(mean, n=500, seed=0):
    return np.cumsum(np.random.default_rng(seed).normal(mean, 1, n))


def late(*case):
    return pytest.param(*case, marks=pytest.mark.slow)


ONE = (  # bought at 101 from a mid of 100 that stood at 99 when decided; sold at 110, resting
    (T0 + SECOND, 1, 10, 101, 0.5, 200, 198, 0),
    (T0 + 9 * SECOND, -1, 10, 110, -0.1, 218, 220, 1),
)


class Page(HTMLParser):
    """Tags must close in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.words, self.links = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.links += [v for k, v in attrs if k in ("src", "href")]
        if tag not in ("meta", "br", "col"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)


def text_of(content):
    return " ".join(Page(sheet.render(content)).words)


def runs(*net):
    points = tuple(Point(k, x, 0.2, None, 0.1, 3.0, None) for k, x in enumerate(net))
    return Sensitivity("costs", "x", points)


def test_what_became_of_the_gross_gain_by_hand():
    found = sheet.told(made([10.0, 30.0], costs=20.0, fills=ONE))["costs"]
    assert {k: found[k] for k in ("gross", "slippage", "fees", "net")} == pytest.approx(
        {"gross": 50, "slippage": 18, "fees": 2, "net": 30}
    )
    assert found["gross_bp"] == pytest.approx(50) and found["fees_bp"] == pytest.approx(2)


def test_executions_against_the_mid_by_hand():
    """10 lots of 0.1: taken one tick above the mid of 100, rested one above that of 109."""
    found = sheet.told(made([10.0], fills=ONE))["executions"]
    taker, maker = found["taker"], found["maker"]
    assert taker["value"] == pytest.approx(0.101) and taker["fills"] == maker["fills"] == 1
    assert taker["spread_bp"] == pytest.approx(1 / 101 * 1e4)
    assert taker["waiting_bp"] == pytest.approx(1 / 101 * 1e4)
    assert maker["spread_bp"] == pytest.approx(-1 / 110 * 1e4)
    assert maker["waiting_bp"] == pytest.approx(1 / 110 * 1e4)
    assert maker["fees_bp"] == pytest.approx(-0.1 / 110 * 1e4)


def test_what_was_paid_is_below_zero_wherever_it_stands():
    content = sheet.told(made([10.0], costs=20.0, fills=ONE))
    tiles, bridge = str(tables.tiles(content)), str(tables.bridge(content["costs"], 1_000.0))
    for shown in (tiles, bridge):
        assert f"{MINUS}2.00" in shown and f"{MINUS}18.00" in shown
    kinds = str(tables.executions(content["executions"]))
    assert f"{MINUS}99.01" in kinds and "+90.91" in kinds and "+9.09" in kinds
    assert f"{MINUS}0.40" in str(tables.instruments(content))


def test_what_instruments_gained_adds_up_to_net():
    """A round trip gained 8.60 of the 10.00: what is open is marked 1.40 higher."""
    content = sheet.told(made([10.0], fills=(*ONE, (T0 + 10 * SECOND, 1, 1, 110, 0, 220, 220, 0))))
    said = [w for w in Page(str(tables.instruments(content))).words if w.strip()]
    words = "not in round trips: still open, at the mid"
    assert said[-5:] == ["+8.60", words, "+1.40", "net", "+10.00"]


def test_of_each_instrument_what_it_traded():
    found = sheet.told(made([10.0], fills=ONE, instruments=(X, Y)))["by_instrument"]
    assert found["X"] == pytest.approx(
        {"fills": 2, "value": 0.211, "fees": 0.4, "trips": 1, "won": 1, "net": 9 - 0.4}
    )
    assert set(found["Y"].values()) == {0}


@pytest.mark.parametrize(
    ("net", "costs", "fills", "said"),
    [
        (walk(0.0), 0.0, (), "rule made no trade"),
        (walk(-0.5), 0.0, ONE, "rule loses before any costs"),
        (walk(0.4), 10.0, ONE, "rule earns its costs"),
        late(walk(-0.5), 1_000.0, ONE, "rule does not earn its costs"),
        late(walk(0.05), 10.0, ONE, "rule earned its costs, which luck explains"),
        late(walk(0.05), -10.0, ONE, "rule earned, which luck explains"),
        late(walk(0.4), -10.0, ONE, "rule earns"),
        late(walk(-0.5), -10.0, ONE, "rule is paid less for waiting than prices take"),
        ([5.0, 9.0], 1.0, ONE, "rule earned its costs, over too short a time to tell it from luck"),
    ],
)
def test_the_title_says_no_more_than_the_numbers(net, costs, fills, said):
    content = sheet.told(made(net, costs, fills=fills))
    assert verdict.title(content) == said
    assert said in text_of(content)


@pytest.mark.slow
def test_what_was_tried_before_takes_the_finding_back(tmp_path):
    book, good = Trials(tmp_path), made(walk(0.12), fills=ONE)
    alone = sheet.told(good, data="d")
    for k in range(300):
        book.add(sheet.trial(made(walk(0.0, seed=k + 1), fills=ONE, seed=k + 2), "d"))
    among = sheet.told(good, among=book.of("d"), data="d")
    assert alone["verdict"]["found"] and not among["verdict"]["found"]
    said = text_of(among)
    assert "The best of 301 trials on these data would show a Sharpe ratio of" in said
    assert "Nothing found: it is not told apart from that (deflated Sharpe ratio" in said
    assert any("no record of trials" in w for w in alone["warnings"])
    assert not any("no record of trials" in w for w in among["warnings"])


def test_a_trial_is_known_by_its_settings_and_its_data():
    a = sheet.trial(made(walk(0.1)))
    assert (a.unit, a.start, len(a.returns)) == ("day", T0, 500)
    assert a.returns[0] == pytest.approx(walk(0.1)[0] / 1_000)
    assert sheet.trial(made(walk(0.1))) == a
    assert sheet.trial(made(walk(0.1), seed=2)).config != a.config
    assert sheet.trial(made(walk(0.1), instruments=(Y,))).data != a.data
    assert sheet.trial(made(walk(0.1)), "d").data == "d"


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ((0.4, 1.1, 2.0), "the expected move cannot pay the spread."),
        ((1.4, 1.1, 2.0), "the expected move pays the spread, and not the fees."),
        ((4.0, 1.1, 2.0), "the move pays both."),
        ((-1.0, 1.1, 2.0), "there is no move to pay any cost with."),
        (
            (0.4, -0.3, 0.2),
            "waiting in the book was paid 0.30 bp, fees took 0.20 bp: the move pays",
        ),
        ((-2.2, -2.1, -0.3), "rebates paid 0.30 bp: what it is paid outweighs the prices that run"),
        ((-2.2, -2.1, 0.3), "what it is paid does not outweigh the prices that run it over."),
        ((0.4, -0.3, 1.2), "and not the fees."),
    ],
)
def test_it_is_said_plainly_where_the_move_cannot_pay_the_spread(figures, said):
    names = ("gross_bp", "slippage_bp", "fees_bp")
    costs = dict(zip(names, figures, strict=True)) | {"funding": 0.0}
    assert said in verdict.paid(costs)


@pytest.mark.slow
def test_where_costs_turn_it_to_a_loss_is_said_and_drawn():
    content = sheet.told(made([5.0, 9.0], fills=ONE), sensitivity=(runs(0.2, 0.1, -0.3),))
    assert content["sensitivity"][0]["turns"] == 1.25
    said = text_of(content)
    assert "Varied one at a time, it earns up to about 1.2 x of costs, and loses beyond." in said
    assert "loses beyond 1.2 x" in said
    assert sheet.told(made([5.0]), sensitivity=(runs(0.2),))["sensitivity"][0]["turns"] is None
    three = (runs(0.1, -0.1)._replace(name=x) for x in ("costs", "latency", "capacity"))
    said = text_of(sheet.told(made([5.0, 9.0], fills=ONE), sensitivity=tuple(three)))
    assert "0.5 x of costs, 0.5 x of latency and 0.5 x of capacity, and loses" in said


def test_scenarios_that_do_good_are_said_to():
    assert tables.differs(0.2) == f"worse by 20.0{words.SPACE}%"
    assert tables.differs(-0.002) == f"better by 0.200{words.SPACE}%"
    assert tables.differs(0.0) == "the same"


def test_reasons_are_said_in_words():
    counts = {"sent": 3, "rejected": 1, "asked": 2, "unknown": 1}
    said = str(tables.orders(counts))
    assert "cancelled by the strategy" in said and "cancellations rejected" in said
    (held,) = verdict.withheld({"breaker": 3, "too_small": 1})
    assert held == (
        "Recommendations were held back: a breaker was open (3 times), too small (1 time)."
    )
    config = {
        "closing them costs": 1.23456,
        "vetoes": {"breaker": 2},
        "trips": {"input": 2},
        "held": {},
    }
    page = text_of(sheet.told(made([5.0, 9.0], fills=ONE, **config)))
    assert f"{MINUS}1.23" in page and "1.2345" not in page
    assert (
        "a breaker was open 2" in page
        and "unusual features 2" in page
        and "of marks, one a minute" in page
    )


@pytest.mark.slow
def test_a_panel_in_which_nothing_changes_is_left_out_and_said():
    three = (runs(0.1, -0.1)._replace(name=x) for x in ("fees", "capacity"))
    still = runs(0.1, 0.1, 0.1)._replace(name="latency", unit="ms")
    content = sheet.told(made([5.0, 9.0], fills=ONE), sensitivity=(*three, still))
    said = text_of(content)
    assert "the rebate stays as it is" in said and "the capital grows as many times" in said
    assert "Nothing changes with latency here: no panel is drawn." in said
    assert "return against ms" not in sheet.render(content)


def test_the_latency_that_was_assumed_is_known():
    ms, bars = {"unit": "ms"}, {"unit": "bars"}
    venue = str(Rules(order=Constant(2_500_000)))
    assert sections.assumed(ms, {"config": {"venue": venue}}) == 2.5
    assert sections.assumed(bars, {"config": {"venue": str(Frictions(delay=3))}}) == 3
    assert sections.assumed(ms, {"config": {}}) is None
    assert sections.assumed({"unit": "x"}, {}) == 1


def test_scenarios_are_told_line_by_line():
    rows = (
        Outcome("none", 0.1, 0.0, 0.02, None, 3, 0),
        Outcome("halt", -0.1, 0.2, 0.3, {}, 5, 1),
        Outcome("flash crash", -0.1, 0.2, 0.3, {"jump": 2, "stale": 1}, 5, 1),
    )
    said = text_of(sheet.told(made([5.0, 9.0], fills=ONE), stress=rows))
    assert "When the market breaks" in said and f"{MINUS}10.00" in said and "halt" in said
    for what in ("nothing watched", "jump 2, stale 1"):
        assert what in said


@pytest.mark.parametrize(
    "result",
    [
        made([0.0]),
        *(pytest.param(made([0.0] * n), marks=pytest.mark.slow) for n in (3, 60)),
        made([5.0], fills=ONE),
        made([-2_000.0, -1_500.0], fills=ONE),
        pytest.param(
            made(walk(0.0, 90), step=60 * SECOND, fills=ONE, instruments=(X, Y)),
            marks=pytest.mark.slow,
        ),
        made(walk(0.0, 90), fills=ONE[:1], name=HOSTILE),
        made(walk(0.0, 30), fills=ONE, x=NAN, y=[np.float32(np.inf)], z={"a": np.arange(2)}),
    ],
)
def test_whatever_the_result_the_sheet_is_whole_and_finite(result, tmp_path):
    content = sheet.told(result, sensitivity=(runs(0.1), runs(NAN, 0.1)))
    place = sheet.write(tmp_path / "run", content)
    text = place.read_text("utf-8")
    assert Page(text) and all(link.startswith("#") for link in Page(text).links)
    kept = orjson.loads((place.parent / "sheet.json").read_bytes())
    assert sheet.render(kept) == text
    for bad in ("NaN", "Infinity", ">nan", ">inf", " nan ", " inf ", "<script>"):
        assert bad not in text
    assert json.loads(json.dumps(kept, allow_nan=False)) == kept


def test_a_result_without_a_mark_is_refused():
    with pytest.raises(InputError, match="holds no mark"):
        sheet.told(made([]))
    assert sheet.trial(made([])).returns == ()
    with pytest.raises(InputError, match="equity nan at mark 1"):
        sheet.told(made([1.0, NAN]))


def test_curves_are_thin_and_keep_the_deepest_fall():
    net = np.zeros(20_000)
    net[777] = -400
    found = sheet.told(made(net, step=3_600 * SECOND, fills=ONE))["curves"]
    assert len(found["ts"]) == len(found["net"]) == POINTS
    assert max(found["drawdown"]) == pytest.approx(0.4)
    assert found["ts"][-1] == T0 + 20_000 * 3_600 * SECOND


def test_regimes_hours_and_months_are_drawn():
    result = made(walk(0.1, 2_000), step=3_600 * SECOND, fills=ONE)
    result.marks["regime"] = np.arange(2_000) // 100 % 2
    said = text_of(sheet.told(result._replace(regimes=("calm", "wild"))))
    assert "by regime" in said and "wild" in said and "23 h" in said and "Mar" in said


def test_warnings_by_hand():
    jump = made(np.r_[np.zeros(40), 300, 301, np.full(60, 301.0)], fills=ONE)
    said = " ".join(sheet.told(jump)["warnings"])
    assert "1 round trip is few" in said and "one month brought more than half" in said
    short = made(walk(0.0, 90), step=60 * SECOND, fills=ONE)
    assert "of 90 returns by the minute" in " ".join(sheet.told(short)["warnings"])
    config = {"held": {"X": 3}, "closing them costs": 1.5, "told": ["X: 2 holes"]}
    left = sheet.told(made([1.0], fills=ONE, **config))["warnings"]
    assert "positions in X are open at the end, at the mid: closing them would cost 1.50" in left[1]
    assert left[2] == "X: 2 holes"
    assert "all of the capital was lost" in " ".join(
        sheet.told(made([-1_500.0, 0.0], fills=ONE))["warnings"]
    )


def test_numbers_as_they_are_written():
    gap = words.SPACE
    assert words.percent(0.123) == f"+12.30{gap}%" and words.percent(-1e-9) == f"0.00{gap}%"
    assert words.percent(-12.5) == f"{MINUS}1,250.00{gap}%" and words.percent(None) == DASH
    assert words.amount(-1234.5) == f"{MINUS}1,234.50" and words.amount(0.004) == "0.00"
    assert words.plain(-0.004) == "0.00" and words.plain(None) == DASH
    assert words.ratio(1.2, 0.55) == f"1.20{gap}±{gap}0.55" and words.ratio(None, None) == DASH
    assert words.share(0.543) == f"54.3{gap}%" and words.share(-0.1) == f"{MINUS}10.0{gap}%"
    assert words.cash(157_059.5) == "+157,060" and words.cash(-12.5) == f"{MINUS}12.50"


def test_three_digits_of_small_numbers_are_shown():
    gap = words.SPACE
    assert words.percent(0.0000508) == f"+0.00508{gap}%"
    assert words.percent(-0.000136) == f"{MINUS}0.0136{gap}%"
    assert words.share(0.00005) == f"0.00500{gap}%" and words.share(0.0) == f"0.0{gap}%"
    assert words.points(0.0136) == "+0.0136" and words.points(-0.4) == f"{MINUS}0.40"
    assert words.cash(0.0078) == "+0.00780" and words.cash(0.78) == "+0.78"
    assert words.size(-0.0031) == "0.00310"
    assert tables._brief(0.0000508) == "+0.00508"


@pytest.mark.parametrize(
    ("ticks", "told"),
    [
        ([0, 0.1, 0.2], ["0 %", "+10 %", "+20 %"]),
        ([-0.002, 0, 0.0015], ["-0.20 %", "0.00 %", "+0.15 %"]),
        ([-3.75e-6, -2.5e-6, -1.25e-6, 0], ["-0.0375 bp", "-0.0250 bp", "-0.0125 bp", "0.0000 bp"]),
        ([0.0], ["0 bp"]),
    ],
)
def test_ticks_at_equal_distances_are_told_at_equal_distances(ticks, told):
    at = np.array(ticks, float)
    found = [plots.ticked(x, at) for x in at]
    assert [t.replace(words.SPACE, " ").replace(MINUS, "-") for t in found] == told


def test_a_shade_is_as_deep_as_the_number():
    assert tables.shade(None, 1.0) == {"style": "--share:0"}
    assert tables.shade(-0.5, 1.0) == {"style": "--share:0.50", "class_": "loss"}
    assert tables.shade(2.0, 1.0) == {"style": "--share:1.00", "class_": "gain"}


def test_what_is_no_number_becomes_nothing():
    told = finite({"a": np.float64(np.nan), "b": (1, np.inf), "c": np.array([1.0, np.nan]), 1: "x"})
    assert told == {"a": None, "b": [1, None], "c": [1.0, None], "1": "x"}
