"""What a pipeline is made of, decoded once; nothing of it changes while it runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flowsense.ensemble.panel import Rules
from flowsense.errors import InputError
from flowsense.live.care import Care
from flowsense.live.feed import Address
from flowsense.live.tables import wanted
from flowsense.risk.settings import Settings
from flowsense.schema import MILLISECOND, SECOND
from flowsense.serve.inbox import MOST

MEMBERS = Rules(deadline_ns=50 * MILLISECOND, hang_ns=10 * SECOND)  # half of the usual row


@dataclass(frozen=True, slots=True)
class PipelineConfig:
    """Which model hears which venues, and what is done with what it says.

    model: a checkpoint of a run.
    symbols: like ``binance-usdm:BTCUSDT``, or without the venue where `source` names it.
    min_agreement: of the members of an ensemble, as a share; None: as `risk` says.
    confidence_threshold: below which nothing is recommended; None: as `risk` says.
    addresses: of venues that are elsewhere than they say, such as a replay server.
    record: lake that everything heard is kept in; None: nothing is.
    """

    model: Path
    symbols: tuple[str, ...]
    source: str = ""
    min_agreement: float | None = None
    confidence_threshold: float | None = None
    risk: Settings = field(default_factory=Settings)
    addresses: Mapping[str, Address] = field(default_factory=dict)
    care: Care = field(default_factory=Care)
    record: Path | None = None
    turn: int = 2_000  # events at once, or one message that has more: what a few ms fold
    members: Rules | None = (
        MEMBERS  # how long an ensemble waits for each; None: as long as it takes
    )
    queue: int = MOST  # events that wait for the engine
    kept: int = 10_000  # predictions that can be asked for again
    aside: bool = True  # the engine works on a thread of its own

    def __post_init__(self) -> None:
        for name, value in (("turn", self.turn), ("queue", self.queue), ("kept", self.kept)):
            if value < 1:
                raise InputError(f"pipeline: {name} {value}: give 1 or more")
        self.wanted()
        _ = self.settings  # refused here, not when it starts

    def wanted(self) -> dict[str, tuple[str, ...]]:
        """Symbols by venue, in the order given. Raises InputError."""
        return wanted(self.symbols, self.source)

    @property
    def settings(self) -> Settings:
        """Of the risk, with the thresholds that are named here."""
        return self.risk.stricter(self.confidence_threshold, self.min_agreement)
