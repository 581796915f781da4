"""What is told of a running pipeline, as plain data: the API answers it and its client reads it.

JSON and MessagePack hold all of it as it is; times are ns UTC.
"""

from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta

UNIT = "x-unit"
TRADE = "should_trade"  # a property, told as the fields are
TRADED = "act on it: there is a side and a size, no veto, and it is not stale"
VETOES = {
    "warming_up": "too few rows yet for model or risk: 600, or 60 over a day",
    "unsure": "no side, or less confidence than asked for",
    "disagreement": "fewer of the members name the side than have to",
    "too_few": "fewer members answered than have to",
    "poor_reward": "too little reward for the risk, after costs",
    "exposure": "the limit of this instrument, or of all, is used up",
    "correlated": "what is held already bets on the same",
    "drawdown": "as much is lost as may be",
    "breaker": "a circuit breaker is open",
    "not_trading": "halted, an auction, or the book has a gap",
    "too_small": "less than a lot, or than the venue takes",
    "no_market": "a row of your own: only its forecasts mean anything",
}


def says(what: str, unit: str = "") -> Meta:
    """A field, as OpenAPI and docs/api.md describe it."""
    return Meta(description=what, extra_json_schema={UNIT: unit} if unit else None)


@dataclass(frozen=True, slots=True)
class Likelihood:
    """What the model says of one target; probabilities sum to 1, all are finite."""

    target: Annotated[str, says("what is forecast how far ahead, like mid@500ms")]
    p_down: Annotated[float, says("that it goes down", "probability")]
    p_flat: Annotated[float, says("that it stays", "probability")]
    p_up: Annotated[float, says("that it goes up", "probability")]
    value: Annotated[
        float,
        says(
            "expected move, above 0 up: of the mid, of `ofi@...` net order flow; "
            "of `magnitude@...` the size of the move",
            "ticks; `ofi`: lots",
        ),
    ]
    ready: Annotated[
        bool,
        says("false while the model warms up: then a third each, value 0, and nothing is meant"),
    ]


@dataclass(frozen=True, slots=True)
class Prediction:
    """Of one instrument, as of one row."""

    sequence: Annotated[
        int,
        says(
            "number among all predictions of the pipeline, from 1, without holes; "
            "0: of what you brought yourself"
        ),
    ]
    ts: Annotated[
        int,
        says(
            "end of the row that it was made of; of a row of your own, when it was asked", "ns UTC"
        ),
    ]
    symbol: Annotated[str, says("instrument, as the venue calls it")]
    venue: Annotated[str, says("where it is traded")]
    target: Annotated[str, says("the one of `forecasts` that is acted on")]
    direction: Annotated[
        int,
        says(
            "1: `p_up` of the target is above `p_down`, -1: below it, 0: no side, "
            "as while it warms up or no book is whole; alone it is no advice"
        ),
    ]
    confidence: Annotated[
        float,
        says(
            "P(side | it moves): max(p_up, p_down) / (p_up + p_down) of the target, "
            "however likely it is to stay; 0 without a side",
            "probability",
        ),
    ]
    position_size: Annotated[
        float, says("to hold on that side from now on; 0 under any veto", "share of the capital")
    ]
    magnitude: Annotated[
        float,
        says("expected move of the mid to that side until the horizon, costs left in", "ticks"),
    ]
    mid: Annotated[
        float,
        says(
            "between best bid and ask at `ts`, which stop and take_profit are counted from; "
            "0: no whole book",
            "price",
        ),
    ]
    stop: Annotated[float, says("of the mid, where the bet is given up; 0 without a side", "price")]
    take_profit: Annotated[
        float, says("of the mid, where the gain is taken; 0 without a side", "price")
    ]
    reward_risk: Annotated[
        float,
        says(
            "(way to take_profit - costs) / (way to stop + costs), 0 where the costs eat the gain",
            "ratio",
        ),
    ]
    vetoes: Annotated[
        tuple[str, ...], says("why it must not be acted on; none: nothing is against it")
    ]
    forecasts: Annotated[tuple[Likelihood, ...], says("what the model says of every target")]
    stale: Annotated[
        bool, says("the venue was silent for longer than it is used to, or is not heard: no advice")
    ]
    model_version: Annotated[str, says("digest of the fitted numbers")]
    regime: Annotated[
        dict[str, float],
        says("of the market, by name, from a model that knows any; {}: it does not", "probability"),
    ] = field(default_factory=dict)
    agreement: Annotated[
        float | None,
        says(
            "of an ensemble's members that answered, how many name the side; null: no ensemble",
            "share",
        ),
    ] = None
    abstained: Annotated[
        tuple[str, ...], says("members of an ensemble that were left out, `name: reason`")
    ] = ()
    neutral: Annotated[
        str, says("why an ensemble says nothing: too few members answered; empty: it speaks")
    ] = ""
    latency_us: Annotated[
        dict[str, float],
        says("from the socket to here, by stage, and `total`; {}: not live", "µs"),
    ] = field(default_factory=dict, compare=False)

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
    why: str = ""  # of the last loss, or of the last request that was not answered
    barred: float = 0.0  # seconds for which the venue wants no requests, so that books stay lost


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
    why: str = ""  # it was refused, or changed nothing
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a prediction is what it is."""

    prediction: Prediction
    members: dict[str, tuple[Likelihood, ...]]  # what each said
    weights: dict[str, float]
    columns: dict[str, float]  # the row; what is missing is left out
    contributions: dict[str, float]  # of columns to the log-odds of the acted-on target's side;
    # with `base` they add up to it, and with `member NAME` of those that no columns explain; {}
    # where no exact ones are known
    costs: dict[str, float] = field(default_factory=dict)  # of a way in and out, ticks


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request to predict is answered with."""

    predictions: tuple[Prediction, ...]
    explanation: Explanation | None = None  # of the one prediction, where it was asked for


@dataclass(frozen=True, slots=True)
class Health:
    """Whether it lives, and whether what it says is of now."""

    live: bool  # False: it failed, or its venues could not be reached yet
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
