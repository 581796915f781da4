"""Which instruments a venue lists, before anything of them is heard."""

from collections.abc import Iterable

import aiohttp

from flowsense.errors import DecodeError, InputError
from flowsense.live.feed import Address
from flowsense.schema import Instrument
from flowsense.sources.secret import secret
from flowsense.sources.venues import Venue
from flowsense.sources.venues.decoder import NOT_UNDERSTOOD
from flowsense.wall import within

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PATIENCE = 20.0  # seconds for all replies


def wanted(symbols: Iterable[str], source: str = "") -> dict[str, tuple[str, ...]]:
    """Symbols by venue, in the order given; of `source` where none is named. Raises InputError."""
    found = dict[str, tuple[str, ...]]()
    for text in symbols:
        venue, colon, symbol = text.partition(":")
        venue, symbol = (venue, symbol) if colon else (source, text)
        if not venue or not symbol:
            raise InputError(f"symbol {text!r}: write VENUE:SYMBOL, binance-usdm:BTCUSDT")
        if symbol in found.get(venue, ()):
            raise InputError(f"symbol {text!r} is named twice: leave one out")
        found[venue] = (*found.get(venue, ()), symbol)
    if not found:
        raise InputError("no symbol: name one or more, like binance-usdm:BTCUSDT")
    return found


async def instruments(
    venue: Venue, symbols: tuple[str, ...], address: Address | None = None
) -> tuple[Instrument, ...]:
    """With ticks and lots, in this order.

    Raises InputError where the venue cannot be reached, lists them not, or wants a key.
    """
    if len(symbols) > venue.most:
        raise InputError(f"{venue.name}: {len(symbols)} symbols: give {venue.most} at most")
    base = address.rest if address else venue.rest
    key = secret(venue.secret) if venue.secret else None
    headers = {} if key is None else key.basic() if venue.basic else key.bearer()
    try:
        async with within(PATIENCE), aiohttp.ClientSession() as http:
            bodies = [await _get(http, base + path, headers) for path in venue.listing(symbols)]
        return venue.instruments(symbols, tuple(bodies))
    except DecodeError as error:
        raise InputError(f"{error}: give symbols as {venue.name} writes them") from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        why = str(error) or type(error).__name__
        raise InputError(
            f"{venue.name}: its instruments cannot be read ({why}): try again"
        ) from error
    except NOT_UNDERSTOOD as error:
        raise InputError(
            f"{venue.name}: its list of instruments is not understood ({error})"
        ) from error


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
        if not reply.ok:  # an error of aiohttp's would hold the headers, and our key with them
            raise OSError(f"it answered {reply.status}")
        return await reply.read()
