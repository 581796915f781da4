"""Which column of an unknown table means what: given as ``ts=time,price=px``, or by usual names."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from difflib import SequenceMatcher

from flowsense.errors import InputError

FLAG = "--columns"
NAMES = {  # usual names of each, without case, blanks and underscores, most telling first
    "ts": "tsrecv localtimestamp recvtime receivetime receivetimestamp ts timestamp time datetime "
    "t timestampns timestampus timestampms timens timeus timems tsns tsus tsms unixtime epoch date "
    "tradetime transacttime exchangetimestamp eventtime tsevent opentime starttime bartime",
    "ts_event": "tsevent exchangetimestamp exchangetime eventtime transacttime",
    "symbol": "symbol sym ticker instrument pair market",
    "kind": "kind action recordtype updatetype eventtype",
    "side": "side aggressor aggressorside takerside tradeside direction isbuyermaker buyermaker",
    "price": "price px tradeprice lastprice p last rate",
    "size": "size qty quantity amount volume vol sz tradesize tradeqty lastsize lastqty q lots",
    "bid": "bid bidprice bidpx bestbid bestbidprice bid1 bidprice1 bidpx00 bidpx0 bidprice0",
    "ask": "ask askprice askpx bestask bestaskprice ask1 askprice1 askpx00 askpx0 askprice0 offer",
    "bid_size": "bidsize bidqty bidamount bidvolume bidsz bestbidsize bestbidqty bidsize1 bidsz00",
    "ask_size": "asksize askqty askamount askvolume asksz bestasksize bestaskqty asksize1 asksz00",
}
NAMES |= {  # of candles and of observations
    "closed": "closetime endtime tsclose timeclose",
    "open": "open o openprice opening first",
    "high": "high h highprice max",
    "low": "low l lowprice min",
    "close": "close c closeprice closing last adjclose",
    "volume": "volume vol v basevolume volumebase qty quantity amount size",
    "trades": "trades count numtrades numberoftrades tradecount ntrades",
    "known": "known knownat knowntime knownsince published publishedat publicationtime publishtime "
    "released releasedat releasetime releasedate available availableat asof",
    "name": "name kind indicator feature series metric variable",
    "value": "value val reading",
}
PRINT, QUOTE = ("price", "size"), ("bid", "ask", "bid_size", "ask_size")
CONSTANT = ("trades", "levels")  # what `kind` may say of the whole table


@dataclass(frozen=True, slots=True)
class Mapping:
    """Names of columns. None: look for a usual name; "": there is none.

    `ts` is when we knew (it orders everything), `ts_event` the exchange's clock. `kind` is a
    column that says of each row what it is, or the word ``trades`` or ``levels`` for all.
    """

    ts: str | None = None
    ts_event: str | None = None
    symbol: str | None = None
    kind: str | None = None
    side: str | None = None
    price: str | None = None
    size: str | None = None
    bid: str | None = None
    ask: str | None = None
    bid_size: str | None = None
    ask_size: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Mapping":
        """``ts=time,price=px,size=qty,side=``. Raises InputError."""
        return cls(**pairs(text, [f.name for f in fields(cls)]))

    @property
    def quotes(self) -> bool:
        return bool(self.bid)

    def used(self) -> list[str]:
        """The columns to read."""
        named = [getattr(self, f.name) for f in fields(self)]
        constant = self.kind if self.kind in CONSTANT else None
        return list(dict.fromkeys(c for c in named if c and c != constant))


def pairs(text: str, known: list[str]) -> dict[str, str]:
    """Columns by field, of ``FIELD=COLUMN,FIELD=COLUMN``. Raises InputError."""
    given = dict[str, str]()
    for part in filter(None, map(str.strip, text.split(","))):
        name, equals, column = (p.strip() for p in part.partition("="))
        if not equals or name not in known:
            raise InputError(f"{FLAG} {part!r}: write FIELD=COLUMN with one of {listed(known)}")
        given[name] = column
    return given


def resolve(asked: Mapping, columns: Iterable[str], table: str) -> Mapping:
    """The mapping with every field a column or "": what was asked, and usual names for the rest.

    Raises InputError naming the field that has no column, the columns there are and the closest.
    """
    names = list(columns)
    given = {f.name: getattr(asked, f.name) for f in fields(asked)}
    constant = {"kind": given["kind"]} if given["kind"] in CONSTANT else {}
    found = looked_up(given | dict.fromkeys(constant, ""), names, table)
    found = one_shape(found | constant, given, table)
    if found["ts_event"] == found["ts"]:
        found["ts_event"] = ""
    for field in ("ts", *(QUOTE if found["bid"] else PRINT)):
        if not found[field]:
            raise missing(table, names, field, f"no column for {field}", field)
    return replace(asked, **found)


def looked_up(given: dict[str, str | None], names: list[str], table: str) -> dict[str, str]:
    """A column or "" for each field; usual names where it is None. Raises InputError."""
    for field, column in given.items():
        if column and names.count(column) != 1:
            many = "more than one" if column in names else "no"
            raise missing(table, names, field, f"{many} column {column!r}", column)
    return {field: usual(field, names) if c is None else c for field, c in given.items()}


def one_shape(found: dict[str, str], given: dict[str, str | None], table: str) -> dict[str, str]:
    """Without the columns of quotes, or of trades and levels: those that nobody asked for."""
    quotes = any(given[f] for f in QUOTE)
    prints = any(given[f] for f in (*PRINT, "kind", "side"))
    if not quotes and not prints:
        quotes, prints = (bool(found[a] and found[b]) for a, b in (QUOTE[:2], PRINT))
    if quotes and prints:
        raise InputError(
            f"{table}: has both trades and quotes: name the ones to read, like "
            f"{FLAG} price={found['price']},size={found['size']} or "
            f"{FLAG} bid={found['bid']},ask={found['ask']}"
        )
    out = (*PRINT, "kind", "side") if quotes else QUOTE
    return found | dict.fromkeys(out, "")


def usual(field: str, columns: list[str]) -> str:
    """The column that has a usual name of the field, or ""."""
    by_name = {squeezed(c): c for c in reversed(columns)}
    return next((by_name[n] for n in NAMES[field].split() if n in by_name), "")


def missing(table: str, names: list[str], field: str, what: str, wanted: str) -> InputError:
    usual_names = [squeezed(wanted), *NAMES[field].split()]

    def likeness(column: str) -> float:
        name = squeezed(column)
        return max(SequenceMatcher(None, name, other).ratio() for other in usual_names)

    closest = max(names, key=likeness, default="NAME")
    return InputError(
        f"{table}: {what}: the columns are {listed(names)}: write {FLAG} {field}={closest} "
        "or whichever it is"
    )


def squeezed(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def listed(names: list[str]) -> str:
    shown = ", ".join(names[:30])
    return f"{shown} and {len(names) - 30} more" if len(names) > 30 else shown
