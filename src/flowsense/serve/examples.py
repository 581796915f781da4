"""One example of everything that the API hears and says, for its description."""

from typing import Any

from flowsense.serve.finished import (
    Beside,
    Comparison,
    Difference,
    Finished,
    InTurn,
    Page,
    Runs,
    Score,
    Spoken,
)
from flowsense.serve.wire import plain
from flowsense.served import (
    Answer,
    Explanation,
    Feed,
    Health,
    Hole,
    Likelihood,
    Model,
    Prediction,
    Problem,
    Status,
    Swap,
)

SNAPSHOT = 1_704_205_800_000_000_000
ASKED: dict[str, Any] = {
    "latest": {"instrument": "BTCUSDT"},
    "features": {"instrument": "BTCUSDT", "features": {"spread": 1.0, "imb_l1": 0.25}},
    "events": {
        "instrument": "BTCUSDT",
        "events": [
            {"ts_recv": SNAPSHOT, "action": 7, "bits": 2},
            {"ts_recv": SNAPSHOT, "action": 6, "side": 1, "price": 99, "lots": 5, "bits": 2},
            {"ts_recv": SNAPSHOT, "action": 6, "side": -1, "price": 101, "lots": 7, "bits": 3},
            {"ts_recv": SNAPSHOT + 200_000_000, "action": 8, "bits": 1},
        ],
    },
}
FORECASTS = (
    Likelihood("mid@1s", 0.21, 0.14, 0.65, 1.7, True),
    Likelihood("magnitude@1s", 0.3333, 0.3334, 0.3333, 2.1, True),
)
PREDICTION = Prediction(
    sequence=4_711,
    ts=SNAPSHOT,
    symbol="BTCUSDT",
    venue="binance",
    target="mid@1s",
    direction=1,
    confidence=0.756,
    position_size=0.02,
    magnitude=1.7,
    mid=42_013.1,
    stop=42_011.3,
    take_profit=42_014.9,
    reward_risk=1.4,
    vetoes=(),
    forecasts=FORECASTS,
    stale=False,
    model_version="a25a2cc7762027c8",
    regime={"trending": 0.8, "mean-reverting": 0.2},
    agreement=0.9,
    latency_us={"decode": 24.0, "queue": 12.0, "fold": 41.0, "models": 120.0, "total": 240.0},
)
EXPLANATION = Explanation(
    prediction=PREDICTION,
    members={"xgboost": FORECASTS},
    weights={"xgboost": 1.0},
    columns={"spread": 1.0, "imb_l1": 0.25},
    contributions={"imb_l1": 0.31},
)
ANSWERS = {
    "latest": {"value": plain(Answer((PREDICTION,)))},
    "explained": {"value": plain(Answer((PREDICTION,), EXPLANATION))},
}
MESSAGES = {
    "prediction": {"value": {"prediction": plain(PREDICTION)}},
    "hole": {"value": {"hole": plain(Hole(after=4_711, next=4_715, count=3, why="slow"))}},
}
STATUS = Status(
    state="running",
    why="",
    started=SNAPSHOT,
    predictions=4_711,
    events=90_210,
    dropped=0,
    waiting=3,
    feeds=(Feed("binance", ("BTCUSDT",), "live", SNAPSHOT, 30_070, 90_210, 0, 0, 0, SNAPSHOT),),
    model=Model(
        name="xgboost",
        version="a25a2cc7762027c8",
        path="models/btc",
        targets=("mid@1s", "magnitude@1s"),
        columns=191,
        members=("xgboost",),
        trained=(SNAPSHOT - 86_400_000_000_000, SNAPSHOT),
        loaded=SNAPSHOT,
        columns_digest="9d1f4c8e21b7aa03",
    ),
)
SWAPS = {
    "accepted": Swap(True, "b1946ac92492d234", "a25a2cc7762027c8", seconds=0.4),
    "refused": Swap(
        False, "a25a2cc7762027c8", "a25a2cc7762027c8", "its checkpoint is damaged", 0.1
    ),
}
RELOADS = {"same": {}, "other": {"path": "btc-2024-08"}}
READY = Health(True, True, "running", ())
FAILED = Health(False, False, "failed", ("the feed of binance ended: ConnectionError",))
IN = (0.015, 0.046)
NEXT, TAKER = "btc/next", "btc/next/backtest/taker"
REPORT = Page("report", f"/api/v1/runs/{NEXT}/files/report.html")
SHEET = Page("tear sheet of taker", f"/api/v1/runs/{TAKER}/files/sheet.html")
RUNS = Runs(
    folder="runs",
    runs=(
        Finished(
            name=NEXT,
            kind="run",
            when=SNAPSHOT,
            title="xgboost beats the vote null on BTCUSDT mid@1s",
            model="xgboost",
            instruments=("BTCUSDT",),
            scores=(
                *(Score("mid@1s", "accuracy", 0.62, "the vote null", 0.59, IN, "above", 34_852),),
                *(Score("magnitude@1s", "mae", 1.31, "the median", 1.3, None, "unknown", 52_100),),
            ),
            pages=(REPORT, SHEET),
        ),
        Finished(
            name=TAKER,
            kind="backtest",
            when=SNAPSHOT,
            title="taker does not earn its costs",
            model="taker",
            instruments=("BTCUSDT",),
            scores=(Score("net", "return", -0.0012, "doing nothing", 0.0, None, "level", 1_946),),
            pages=(SHEET,),
        ),
        Finished("btc/broken", "run", SNAPSHOT, why="its results are damaged: run again."),
    ),
    left_out=0,
)
COMPARISON = Comparison(
    a=Spoken("btc/first", "logistic", 61_204),
    b=Spoken(NEXT, "xgboost", 61_204),
    common=61_204,
    targets=(
        Beside(
            target="mid@1s",
            n=34_852,
            rows=61_204,
            verdict="B is better by 0.4 to 1.6 points",
            scores=(
                Difference("accuracy", 0.61, 0.62, -0.01, (-0.016, -0.004), 0.002, "b"),
                Difference("log_loss", 0.93, 0.94, -0.01, (-0.021, 0.002), 0.11, None),
            ),
            in_turn=(InTurn("accuracy", "b", SNAPSHOT, 52), InTurn("log_loss", None, None, 52)),
        ),
    ),
    luck=(
        "2 intervals were looked at: 0.1 of them would leave zero out by luck if there were no "
        "difference at all; 1 did."
    ),
    notes=("ofi@1s: only A forecasts it",),
)
METRICS = "flowsense_predictions_total 4711\n"
BEARER = "send the header `Authorization: Bearer KEY`"
PROBLEMS = {
    400: Problem(
        "key_in_address",
        "A key never belongs in an address, where others log it: replace this one.",
        "token",
        BEARER,
    ),
    401: Problem("key", "A key is needed.", "Authorization", BEARER),
    403: Problem("scope", "This key may only read.", "Authorization", "ask with an admin key"),
    404: Problem(
        "unknown_instrument",
        "There is no instrument 'BTCUSD'.",
        "instrument",
        "there are BTCUSDT, ETHUSDT",
    ),
    405: Problem("method_not_allowed", "Method Not Allowed."),
    408: Problem("too_slow", "The body took more than 5 s."),
    409: Problem("not_ready", "There is no prediction of 'BTCUSDT' yet.", "instrument"),
    413: Problem("too_large", "A body has at most 1000000 bytes.", "body"),
    415: Problem("media_type", "A body of type 'text/csv' is not read.", "Content-Type"),
    422: Problem(
        "not_finite",
        "features.spread: NaN is no finite number.",
        "features.spread",
        "leave out what is missing",
    ),
    429: Problem("too_many", "This key asks too often."),
    500: Problem("internal", "This is a fault of flowsense."),
    503: Problem("overloaded", "Too many predictions at once."),
    504: Problem("too_slow", "The answer took too long."),
}
