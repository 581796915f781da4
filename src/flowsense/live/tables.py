"""Which instruments a venue lists, before anything of them is heard."""

from collections.abc import Iterable
from itertools import combinations

import aiohttp

from flowsense.errors import DecodeError, InputError
from flowsense.live.feed import REFUSED, Address
from flowsense.live.refused import refused
from flowsense.schema import Instrument
from flowsense.sources.secret import secret
from flowsense.sources.venues import Venue
from flowsense.sources.venues.decoder import NOT_UNDERSTOOD
from flowsense.wall import within

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PATIENCE = 20.0  # seconds for all replies
LATER = (408, 418, 425, 429)  # of answers of 400 to 499 those that may be others later


class Unreachable(InputError):
    """The venue does not tell now; later it may."""


class Answered(OSError):
    """Something else than 200; an error of aiohttp's would hold the headers, and our key."""

    def __init__(self, status: int) -> None:
        super().__init__(f"it answered {status}")
        self.status = status
        self.final = 400 <= status < 500 and status not in LATER


def wanted(symbols: Iterable[str], source: str = "") -> dict[str, tuple[str, ...]]:
    """Symbols by venue, in the order given; of `source` where none is named. Raises InputError."""
    found = dict[str, tuple[str, ...]]()
    for text in symbols:
        venue, colon, symbol = text.partition(":")
        venue, symbol = (venue, symbol) if colon else (source, text)
        if venue == "ccxt":
            exchange_of, _, symbol = symbol.partition(":")
            venue = f"ccxt:{exchange_of}"
        if not venue or not symbol:
            raise InputError(f"symbol {text!r}: write VENUE:SYMBOL, binance-usdm:BTCUSDT")
        if symbol in found.get(venue, ()):
            raise InputError(f"symbol {text!r} is named twice: leave one out")
        found[venue] = (*found.get(venue, ()), symbol)
    if not found:
        raise InputError("no symbol: name one or more, like binance-usdm:BTCUSDT")
    for a, b in combinations(found, 2):
        if exchange(a) == exchange(b):
            raise InputError(f"{a} and {b} are one venue: name all its symbols of one of them")
    return found


def exchange(name: str) -> str:
    """Without what of it is heard: binance-spot of binance-spot/1m."""
    return "/".join(name.split("/")[: 2 if name.startswith("databento/") else 1])


async def instruments(
    venue: Venue, symbols: tuple[str, ...], address: Address | None = None
) -> tuple[Instrument, ...]:
    """With ticks and lots, in this order.

    Raises Unreachable where the venue cannot be reached now, InputError where it lists them not or
    wants a key.
    """
    if len(symbols) > venue.most:
        raise InputError(f"{venue.name}: {len(symbols)} symbols: give {venue.most} at most")
    base = address.rest if address else venue.rest
    key = secret(venue.secret) if venue.secret else None
    headers = {} if key is None else key.basic() if venue.basic else key.bearer()
    try:
        async with within(PATIENCE), aiohttp.ClientSession() as http:
            if venue.stream.startswith("ccxt:"):
                bodies = [await _unified(venue, address)]
            else:
                bodies = [await _get(http, base + path, headers) for path in venue.listing(symbols)]
        return venue.instruments(symbols, tuple(bodies))
    except InputError:
        raise
    except DecodeError as error:
        raise InputError(f"{error}: give symbols as {venue.name} writes them") from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        if isinstance(error, Answered) and error.status in REFUSED:
            raise refused(venue.name, f"the venue answered {error.status}", key) from error
        why = f"{venue.name}: its instruments cannot be read ({str(error) or type(error).__name__})"
        if isinstance(error, Answered) and error.final:
            raise InputError(f"{why}: is {', '.join(symbols)} what it calls them?") from error
        raise Unreachable(f"{why}: try again") from error
    except NOT_UNDERSTOOD as error:
        raise InputError(
            f"{venue.name}: its list of instruments is not understood ({error})"
        ) from error


async def _unified(venue: Venue, address: Address | None) -> bytes:
    from flowsense.live.unified import listed

    at = address or Address(venue.stream, venue.rest)
    return await listed(venue.name, at.stream, at.rest)


async def _get(http: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> bytes:
    """What stands behind a blank is posted: JSON, or a form."""
    url, _, body = url.partition(" ")
    kind = JSON if body.startswith("{") else FORM
    asked = (
        http.post(url, data=body, headers=headers | kind)
        if body
        else http.get(url, headers=headers)
    )
    async with asked as reply:
        if not reply.ok:
            raise Answered(reply.status)
        return await reply.read()
