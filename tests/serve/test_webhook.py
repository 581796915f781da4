"""Alerts to an address that answers, fails, hangs or is not there; in virtual time."""

import asyncio
from collections import Counter
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from flowsense.errors import InputError
from flowsense.serve.alerts import Alert
from flowsense.serve.webhook import MOST, TRIES, Webhook
from flowsense.testing.loop import run
from flowsense.wall import elapsed, pause

CANARY = "canary-4f1b"
ALERT = Alert("disk_low", "lake", True, "critical", "lake: 1 bytes free", 1, 2)


@asynccontextmanager
async def heard(answer, got):
    """The address of a server that keeps what it gets; `answer` gives the status of each."""

    async def take(request):
        got.append(await request.json())
        return web.Response(status=await answer(len(got)))

    app = web.Application()
    app.router.add_post("/{secret}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/{CANARY}?token={CANARY}"
    finally:
        await runner.cleanup()


def delivered(statuses, alerts=(ALERT,), until=1):
    """What the server got, what became of it, seconds it took, lines of the log."""
    got, counts = list[dict](), Counter[str]()

    async def answer(n):
        status = statuses[min(n, len(statuses)) - 1]
        if status is None:
            await pause(3_600)
        return status

    async def main():
        async with heard(answer, got) as address:
            hook = Webhook(address, counted=lambda what: counts.update([what]), service="s")
            task = asyncio.create_task(hook.run())
            begun = elapsed()
            for alert in alerts:
                hook.offer(alert)
            while counts["sent"] + counts["failed"] < until:
                await pause(0.05)
            took = elapsed() - begun
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return took

    with capture_logs() as lines:
        took = run(main())
    return got, counts, took, lines


def test_an_alert_arrives_as_it_is():
    got, counts, took, _ = delivered([200])

    assert got == [ALERT._asdict() | {"service": "s"}]
    assert counts == {"sent": 1} and took < 1


def test_it_is_tried_again_later_and_later_until_it_is_taken():
    got, counts, took, _ = delivered([503, 500, 429, 204])

    assert len(got) == 4 and counts == {"retried": 3, "sent": 1}
    assert 3.5 <= took < 8


def test_what_is_refused_for_good_is_not_tried_again_and_the_next_is_sent():
    got, counts, _, lines = delivered([404, 200], (ALERT, ALERT._replace(subject="b")), 2)

    assert len(got) == 2 and counts == {"failed": 1, "sent": 1}
    assert lines[0]["why"] == "status 404"


@pytest.mark.slow
def test_who_hangs_is_waited_for_5_seconds_at_a_time_and_given_up():
    got, counts, took, _ = delivered([None])

    assert len(got) == TRIES and counts == {"retried": TRIES - 1, "failed": 1}
    assert 5 * TRIES < took < 180


@pytest.mark.parametrize("status", [500, 404, 302])
def test_the_address_is_in_no_log(status):
    _, counts, _, lines = delivered([status])

    assert counts["failed"] == 1 and CANARY not in str(lines)


def test_where_nobody_listens_the_address_is_in_no_log_either():
    counts = Counter[str]()

    async def main():
        hook = Webhook(f"http://127.0.0.1:9/{CANARY}", counted=lambda w: counts.update([w]))
        task = asyncio.create_task(hook.run())
        hook.offer(ALERT)
        while not counts["failed"]:
            await pause(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return repr(hook)

    with capture_logs() as lines:
        shown = run(main())

    assert CANARY not in str(lines) + shown and lines[0]["why"] == "ClientConnectorError"


def test_the_queue_is_bounded_and_the_same_waits_once():
    counts = Counter[str]()
    hook = Webhook("https://x.example/y", counted=lambda what: counts.update([what]))

    for k in range(MOST + 5):
        hook.offer(ALERT._replace(subject=str(k)))
        hook.offer(ALERT._replace(subject=str(k), says="again"))

    assert len(hook.waiting) == MOST and counts == {"dropped": 5}
    assert {alert.says for alert in hook.waiting} == {"again"}


@pytest.mark.parametrize("address", [f"ftp://{CANARY}", CANARY, "http://", f"http://[{CANARY}", ""])
def test_what_is_no_address_is_refused_without_being_repeated(address):
    with pytest.raises(InputError, match="no address") as error:
        Webhook(address, counted=print)

    assert CANARY not in str(error.value)
