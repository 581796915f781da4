"""What is told of a running pipeline, as plain data: the API answers it and its client reads it.

JSON and MessagePack hold all of it as it is; times are ns UTC.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Likelihood:
    """What the model says of one target; probabilities sum to 1, all are finite."""

    target: str  # like mid@500ms
    p_down: float
    p_flat: float
    p_up: float
    value: float  # expected move (ticks, lots) or magnitude
    ready: bool  # False while the model warms up: then nothing is meant


@dataclass(frozen=True, slots=True)
class Prediction:
    """Of one instrument, as of one row."""

    sequence: int  # of all predictions of the pipeline, from 1, without holes
    ts: int  # ns UTC, the boundary of the row
    symbol: str
    venue: str
    target: str  # that is acted on
    direction: int  # +1 up, -1 down, 0: nothing is recommended
    confidence: float  # P(side | it moves)
    position_size: float  # share of the capital; 0 under any veto
    magnitude: float  # expected move to that side, ticks
    stop: float  # prices in the venue's currency; 0 where direction is 0
    take_profit: float
    reward_risk: float
    vetoes: tuple[str, ...]  # why it must not be acted on
    forecasts: tuple[Likelihood, ...]
    stale: bool  # the venue was silent for longer than it is used to
    model_version: str
    regime: dict[str, float] = field(default_factory=dict)
    agreement: float | None = None  # of the members of an ensemble
    abstained: tuple[str, ...] = ()  # members that were left out, with the reason
    latency_us: dict[str, float] = field(
        default_factory=dict, compare=False
    )  # by stage, and "total"

    @property
    def should_trade(self) -> bool:
        return self.direction != 0 and self.position_size > 0 and not self.vetoes and not self.stale


@dataclass(frozen=True, slots=True)
class Feed:
    """One connection to a venue."""

    venue: str
    symbols: tuple[str, ...]
    state: str  # connecting, live, resync, stale, down, stopped
    since: int  # ns UTC
    messages: int
    events: int
    reconnects: int
    gaps: int
    malformed: int
    last: int  # ns UTC, of the newest message; 0: none
    why: str = ""  # of the last loss


@dataclass(frozen=True, slots=True)
class Model:
    """What forecasts now."""

    name: str
    version: str  # digest of its fitted numbers
    path: str
    targets: tuple[str, ...]
    columns: int
    members: tuple[str, ...]
    trained: tuple[int, int]  # ns UTC, [first, last)
    loaded: int  # ns UTC
    columns_digest: str


@dataclass(frozen=True, slots=True)
class Status:
    """Of the pipeline, as of now."""

    state: str  # stopped, starting, running, stopping, failed
    why: str  # of failed
    started: int  # ns UTC; 0: never
    predictions: int
    events: int  # given to the engine
    dropped: int  # that were conflated before it
    waiting: int  # events in the queue
    feeds: tuple[Feed, ...]
    model: Model


@dataclass(frozen=True, slots=True)
class Swap:
    """What became of a reload."""

    accepted: bool
    version: str  # that is served now
    before: str
    why: str = ""  # it was refused
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a prediction is what it is."""

    prediction: Prediction
    members: dict[str, tuple[Likelihood, ...]]  # what each said
    weights: dict[str, float]
    columns: dict[str, float]  # the row; what is missing is left out
    contributions: dict[str, float]  # of columns to the log-odds of the acted-on target's side;
    # with `base` they add up to it; {} where no exact ones are known


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request to predict is answered with."""

    predictions: tuple[Prediction, ...]
    explanation: Explanation | None = None  # of the one prediction, where it was asked for


@dataclass(frozen=True, slots=True)
class Health:
    """Whether it lives, and whether what it says is of now."""

    live: bool  # False: it failed, and only a restart helps
    ready: bool  # running, fed by every venue that it listens to
    state: str  # of `Status`
    reasons: tuple[str, ...]  # why it is not ready


@dataclass(frozen=True, slots=True)
class Problem:
    """What every refusal says."""

    code: str  # for programs, like unknown_instrument
    message: str  # one sentence
    field: str = ""  # of the request, like events[3].price; "" where none is to blame
    hint: str = ""  # what would be accepted


@dataclass(frozen=True, slots=True)
class Hole:
    """Predictions that a listener to the stream will not be sent."""

    after: int  # sequence before it
    next: int  # sequence that follows
    count: int  # lost of what was listened to; 0: nobody knows
    why: str  # slow: they were dropped for this listener; gone: too old; restarted: others count


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the stream: a prediction, or the hole before the next."""

    prediction: Prediction | None = None
    hole: Hole | None = None
