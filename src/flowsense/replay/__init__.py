"""A venue of our own on the loopback address: recordings, served in the venues' own protocols.

`speaker` modules hold what each venue says of a market; `server` speaks it to sockets, and breaks
it by script (`faults`) where a test wants to see what a client survives.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias

from flowsense.registry import Entry, load
from flowsense.schema import Events

Json: TypeAlias = dict[str, Any] | list[Any]


@dataclass(eq=False)
class Client:
    """Who is connected: what it has subscribed to, and how often it was told something."""

    topics: set[str] = field(default_factory=set)
    told: dict[str, int] = field(default_factory=dict)  # counts that a speaker keeps for it


class Said(NamedTuple):
    """To everybody who has subscribed to the topic."""

    topic: str
    body: Json | bytes  # bytes: as recorded


class Speaker(Protocol):
    """A venue's side of its protocol. It is fed by one stream and heard by many clients."""

    def connected(self, client: Client, path: str) -> list[bytes]:
        """What it says at once; `path`, with its query, may subscribe."""
        ...

    def asked(self, client: Client, text: bytes) -> list[bytes]:
        """What it answers to what a client sends: acknowledgements, snapshots, pongs."""
        ...

    def tell(self, events: Events) -> list[Said]:
        """One message of the stream, of one instrument, is now known to the venue."""
        ...

    def frame(self, client: Client, said: Said) -> bytes:
        """As this client gets it: with the numbers of its connection."""
        ...

    def get(self, path: str) -> bytes | None:
        """The reply to a request, path and query, also to one that is posted; None: 404.

        JSON that is posted stands behind a blank.
        """
        ...


ENTRIES: dict[str, Entry] = {
    "binance-spot": Entry("flowsense.replay.binance:Spot", ""),
    "binance-usdm": Entry("flowsense.replay.binance:UsdM", ""),
    "binance-coinm": Entry("flowsense.replay.binance:CoinM", ""),
    "bitfinex": Entry("flowsense.replay.bitfinex:Speaker", ""),
    "bitstamp": Entry("flowsense.replay.bitstamp:Speaker", ""),
    "kraken": Entry("flowsense.replay.kraken:Speaker", ""),
    **dict.fromkeys(
        ("massive-stocks", "massive-stocks-1s", "massive-stocks-1m"),
        Entry("flowsense.replay.massive:Stocks", ""),
    ),
    **dict.fromkeys(
        ("massive-crypto", "massive-crypto-quotes", "massive-crypto-1s", "massive-crypto-1m"),
        Entry("flowsense.replay.massive:Crypto", ""),
    ),
    "coinbase": Entry("flowsense.replay.coinbase:Coinbase", ""),
    "bybit-spot": Entry("flowsense.replay.bybit:SPOT", ""),
    "bybit-linear": Entry("flowsense.replay.bybit:LINEAR", ""),
    "bybit-inverse": Entry("flowsense.replay.bybit:INVERSE", ""),
    "okx": Entry("flowsense.replay.okx:Okx", ""),
    "deribit": Entry("flowsense.replay.deribit:Speaker", ""),
    "hyperliquid": Entry("flowsense.replay.hyperliquid:Hyperliquid", ""),
    "kucoin": Entry("flowsense.replay.kucoin:Kucoin", ""),
    "gate": Entry("flowsense.replay.gate:Gate", ""),
    "dydx": Entry("flowsense.replay.dydx:Dydx", ""),
}


def speaker(name: str) -> Any:
    """The class of a venue's speaker, made of the instruments that it lists. Raises InputError."""
    return load("speaker", name, ENTRIES)
