"""What a venue answers that is asked for its instruments, and whether it may be asked again."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from flowsense.errors import InputError
from flowsense.live.feed import Address
from flowsense.live.refused import Refused
from flowsense.live.tables import Unreachable, instruments
from flowsense.sources.venues import venue
from flowsense.testing.loop import run


def answered(status):
    """What is raised where a venue answers that."""

    async def answer(request):
        return web.Response(status=status)

    async def go():
        app = web.Application()
        app.router.add_get("/{path:.*}", answer)
        async with TestServer(app) as server:
            at = Address("", str(server.make_url("")).rstrip("/"))
            with pytest.raises(InputError) as found:
                await instruments(venue("binance-spot"), ("AAAUSDT",), at)
            return found.value

    return run(go())


@pytest.mark.parametrize("status", [408, 418, 425, 429, 500, 503])
def test_what_may_be_answered_later_is_told_apart(status):
    error = answered(status)
    assert type(error) is Unreachable and f"it answered {status}): try again" in str(error)


@pytest.mark.parametrize("status", [400, 404, 451])
def test_what_will_not_be_answered_later_asks_for_the_names(status):
    error = answered(status)
    assert type(error) is InputError and "is AAAUSDT what it calls them?" in str(error)


@pytest.mark.parametrize("status", [401, 403])
def test_who_is_not_let_in_is_told_what_to_do(status):
    error = answered(status)
    assert type(error) is Refused and f"the venue answered {status}: it lets nobody" in str(error)
