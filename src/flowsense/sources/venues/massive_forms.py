"""Massive's messages as they are written: numbers stay text, so that they stay exact."""

from typing import Any, TypeAlias

import msgspec
from msgspec import Raw, Struct

NO_FLOW = {  # conditions of trades whose price was not made here and now
    2: "average price",
    7: "cash sale",
    10: "derivatively priced",
    13: "sold out of sequence in extended hours",
    15: "official close",
    16: "official open",
    20: "next day",
    21: "price variation",
    22: "prior reference price",
    29: "seller's option",
    30: "sold last",
    31: "sold last, stopped",
    32: "sold out of sequence",
    33: "sold out of sequence, stopped",
    38: "corrected close",
    44: "cancelled",
    46: "correction",
    47: "as of",
    48: "as of, corrected",
    49: "as of, cancelled",
    51: "summary",
    52: "contingent",
    53: "qualified contingent",
    54: "errored",
}


Side: TypeAlias = list[tuple[Raw, Raw]]  # price and size


class Kind(Struct):
    ev: str


class Status(Struct):
    status: str
    message: str = ""


class Quote(Struct):
    sym: str
    t: int
    q: int
    bp: Raw = Raw(b"0")
    bs: Raw = Raw(b"0")
    ap: Raw = Raw(b"0")
    as_: Raw = msgspec.field(default=Raw(b"0"), name="as")


class Last(Struct):
    """The same as REST has it."""

    t: int  # ns
    q: int
    bp: Raw = msgspec.field(default=Raw(b"0"), name="p")
    bs: Raw = msgspec.field(default=Raw(b"0"), name="s")
    ap: Raw = msgspec.field(default=Raw(b"0"), name="P")
    as_: Raw = msgspec.field(default=Raw(b"0"), name="S")


class Reply(Struct):
    results: Last | None = None


class Trade(Struct):
    sym: str
    t: int
    q: int
    p: Raw
    s: Raw
    c: tuple[int, ...] | None = None


class PairQuote(Struct):
    pair: str
    x: int
    t: int
    bp: Raw = Raw(b"0")
    bs: Raw = Raw(b"0")
    ap: Raw = Raw(b"0")
    as_: Raw = msgspec.field(default=Raw(b"0"), name="as")


class PairBook(Struct):
    pair: str
    x: int
    t: int
    b: Side
    a: Side


class PairTrade(Struct):
    pair: str
    x: int
    t: int
    p: Raw
    s: Raw
    c: tuple[int, ...] | None = None
    i: int | str = ""


class Bar(Struct):
    o: Raw
    h: Raw
    l: Raw  # noqa: E741 - the venue's name
    c: Raw
    v: Raw
    s: int
    e: int
    z: float = 0.0  # average size of its trades
    sym: str = ""
    pair: str = ""


FORMS = {
    "status": Status,
    "Q": Quote,
    "T": Trade,
    "XQ": PairQuote,
    "XL2": PairBook,
    "XT": PairTrade,
    **dict.fromkeys(("A", "AM", "XAS", "XA"), Bar),
}
READ = msgspec.json.Decoder(list[Raw])
READ_LAST = msgspec.json.Decoder(Reply)
READ_KIND = msgspec.json.Decoder(Kind)
READS: dict[str, msgspec.json.Decoder[Any]] = {
    ev: msgspec.json.Decoder(form) for ev, form in FORMS.items()
}
