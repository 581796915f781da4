"""What a page of the dashboard is told and may ask, as plain data; columns come as `wire` has them.

Every JSON message is an object whose `topic` names its kind. `Columns` and marks of `EquityNow` are
numbered by the grid of the stream's own time, so that a page sees a hole and asks for it again; all
other messages are whole states, of which the newest counts. What is not known is null.
"""

from dataclasses import dataclass
from typing import Literal

from flowsense.served import Prediction

PROTOCOL = 1
GRID_MS = 100  # a column each
KEPT = 6_000  # columns of each instrument: ten minutes
Mode = Literal["SIMULATED", "REPLAY", "PAPER", "LIVE"]


@dataclass(frozen=True, slots=True)
class Watched:
    """One instrument; its place among those of `Hello` is what binary frames call it by."""

    venue: str
    symbol: str
    tick: float  # price of one
    lot: float  # size of one
    first: int | None  # number of the first column that was ever made of it


@dataclass(frozen=True, slots=True)
class Hello:
    """First of all, and again after another model was swapped in."""

    protocol: int
    version: str  # of flowsense
    mode: Mode  # SIMULATED, REPLAY: no market of now; PAPER: nothing is sent; LIVE: orders are
    now: int  # ns UTC
    grid_ms: int
    kept: int
    cells: int  # of a column's image
    instruments: tuple[Watched, ...]
    target: str  # that is acted on
    targets: tuple[str, ...]
    regimes: tuple[str, ...]
    members: tuple[str, ...]  # (): the model is no ensemble
    admin: bool  # this page may acknowledge alarms
    topic: str = "hello"


@dataclass(frozen=True, slots=True)
class FeedNow:
    venue: str
    state: str  # as `served.Feed.state`
    why: str
    age_ms: float | None  # of the newest message
    messages_per_s: float
    gaps: int  # since the pipeline started, like those that follow
    resyncs: int
    reconnects: int
    malformed: int
    barred_s: float
    skew_ms: float | None  # median of our clock less the venue's


@dataclass(frozen=True, slots=True)
class StatusNow:
    """Twice a second."""

    now: int  # ns UTC
    state: str  # of the pipeline
    ready: bool
    reasons: tuple[str, ...]  # why it is not
    started: int  # ns UTC
    feeds: tuple[FeedNow, ...]
    events_per_s: float
    predictions_per_s: float
    predictions: int  # so far: the newest sequence
    dropped: int
    waiting: int
    lag_ms: float  # of the server's loop
    p50_ms: float | None  # socket to prediction, of the last minute
    p99_ms: float | None
    model: str
    model_version: str
    loaded: int  # ns UTC
    breakers: tuple[str, ...]  # reasons for which one is open now
    pages: int  # of this dashboard that are open
    topic: str = "status"


@dataclass(frozen=True, slots=True)
class Vote:
    """One member of an ensemble, or the model itself, on the target that is acted on."""

    name: str
    state: Literal["ok", "warming up", "left out"]
    why: str  # it is left out
    p_down: float | None
    p_flat: float | None
    p_up: float | None
    value: float | None  # ticks
    weight: float | None  # of those heard, together 1; null where the combiner has none
    age_ms: float | None  # of the row that it last spoke of, before the newest


@dataclass(frozen=True, slots=True)
class VotesNow:
    """Of the watched instrument, five times a second while there is something else to say."""

    venue: str
    symbol: str
    prediction: Prediction | None
    should_trade: bool
    votes: tuple[Vote, ...]
    answered: int
    needed: int  # members that have to answer; 1 of a single model
    topic: str = "votes"


@dataclass(frozen=True, slots=True)
class BookNow:
    """Top levels of the watched instrument, best first, as of a column; five times a second."""

    venue: str
    symbol: str
    number: int
    state: int  # as a column's
    bids: tuple[tuple[float, float], ...]  # price, size
    asks: tuple[tuple[float, float], ...]
    topic: str = "book"


@dataclass(frozen=True, slots=True)
class Tenth:
    """A bin of P(up | it moves)."""

    said: float  # mean of the forecasts
    came: float  # how often it rose
    weight: float  # outcomes, overlapping ones for one together
    error: float  # half the width of the 95 % interval of `came`


@dataclass(frozen=True, slots=True)
class Reliability:
    """Of one target; numbers are null before there are outcomes."""

    target: str
    outcomes: int
    weight: float
    hit_rate: float | None  # of moves
    last_side: float | None  # that of who says that the last move goes on
    majority: float | None  # that of who says what came more often
    brier: float | None
    brier_null: float | None  # of who says how often each of down, flat and up came
    ece: float | None
    ece_limit: float | None  # that of the calibrated, seldom passed
    bins: tuple[Tenth, ...]


@dataclass(frozen=True, slots=True)
class CalibrationNow:
    """Every ten seconds."""

    live: tuple[Reliability, ...]
    trained: tuple[Reliability, ...]  # of the run's own test span; (): it is not kept
    topic: str = "calibration"


@dataclass(frozen=True, slots=True)
class Mark:
    """Of the paper account, as of a whole second of the stream."""

    number: int  # seconds, UTC
    net: float  # gain after all costs
    gross: float  # before fees and slippage
    hold: float  # of who bought all at the start in equal parts, after the same costs
    drawdown: float  # below the highest net so far, as a share of the capital


@dataclass(frozen=True, slots=True)
class EquityNow:
    """Every second, with the marks since the last; at first and when asked, with those kept."""

    why: str  # there is no account; empty: there is one
    capital: float  # in the currency that gains are settled in
    since: int  # ns UTC
    marks: tuple[Mark, ...]
    worst: float  # drawdown
    trades: int
    turnover: float
    fees: float
    held: tuple[tuple[str, float], ...]  # symbol, size
    topic: str = "equity"


@dataclass(frozen=True, slots=True)
class StageNow:
    name: str
    counts: tuple[int, ...]  # in the last minute, between `edges_ms`, below the first to above all
    p50_ms: float | None
    p99_ms: float | None
    max_ms: float | None


@dataclass(frozen=True, slots=True)
class LatencyNow:
    """Every second."""

    edges_ms: tuple[float, ...]
    stages: tuple[StageNow, ...]  # in the order in which they are passed; the last is `total`
    topic: str = "latency"


@dataclass(frozen=True, slots=True)
class SwapNow:
    ts: int  # ns UTC
    accepted: bool
    version: str
    why: str


@dataclass(frozen=True, slots=True)
class DriftNow:
    """Every ten seconds, and when a model was swapped."""

    psi: tuple[tuple[str, float], ...]  # column, population stability index: the ten greatest
    limit: float  # above which an alarm is raised
    reference: str  # what the columns are compared with
    drifts: tuple[tuple[str, int], ...]  # target, changes of the error found
    swaps: tuple[SwapNow, ...]  # the latest ten, oldest first
    topic: str = "drift"


@dataclass(frozen=True, slots=True)
class Alarm:
    rule: str
    subject: str
    severity: Literal["critical", "warning"]
    says: str
    since: int  # ns UTC
    action: str  # what to do, one line
    acknowledged: bool


@dataclass(frozen=True, slots=True)
class AlarmsNow:
    """Whenever one begins, ends or is acknowledged; never dropped."""

    alarms: tuple[Alarm, ...]
    topic: str = "alarms"


@dataclass(frozen=True, slots=True)
class Gone:
    """Columns that were asked for and are not kept any more, or never were made."""

    instrument: int
    first: int  # number
    last: int
    topic: str = "gone"


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a page asked for was refused."""

    message: str
    topic: str = "refusal"


Topic = (
    Hello
    | StatusNow
    | VotesNow
    | BookNow
    | CalibrationNow
    | EquityNow
    | LatencyNow
    | DriftNow
    | AlarmsNow
    | Gone
    | Refusal
)


@dataclass(frozen=True, slots=True)
class Watch:
    """From now on columns, votes and book of this instrument, and none of another."""

    instrument: int
    after: int | None = None  # columns after this number first; null: the last `span`
    span: int = 1_200


@dataclass(frozen=True, slots=True)
class Again:
    """Columns of a hole, or older ones to scroll back to."""

    instrument: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Acknowledge:
    rule: str
    subject: str


@dataclass(frozen=True, slots=True)
class Ask:
    """A message of a page: one of these."""

    watch: Watch | None = None
    again: Again | None = None
    acknowledge: Acknowledge | None = None
    marks: int | None = None  # those of the account after this number
