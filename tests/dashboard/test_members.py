"""A served ensemble of which one member fails: the page says why it is silent."""

import asyncio
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Thread

import pytest
from serve.board.test_board import failing, served

from flowsense.serve.run import serve
from flowsense.serve.settings import Settings


@contextmanager
def failed(folder):
    """-> where it is served, on a thread of its own."""
    told = Future()

    async def work():
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        async with served(folder, failing) as (pipeline, board, _):
            settings = Settings(port=0, board=board)
            ready = lambda port: told.set_result((loop, stop, port))  # noqa: E731
            await serve(pipeline, settings, stop=stop, ready=ready, start=False)

    thread = Thread(target=asyncio.run, args=(work(),), daemon=True)
    thread.start()
    loop, stop, port = told.result(60)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(15)


@pytest.mark.timeout(120)
def test_a_member_that_fails_says_why_and_is_no_number(opened, tmp_path, browser):
    with failed(tmp_path) as url:
        page = opened(url)
        page.wait_for_selector('tr[data-member="b"][data-state="left out"]', timeout=10_000)
        page.wait_for_selector('tr[data-member="a"][data-state="ok"]', timeout=10_000)
        row = page.locator('tr[data-member="b"]')
        said = row.inner_text()
        dashes = row.locator(".unknown")
        titles = [dashes.nth(k).get_attribute("title") for k in range(dashes.count())]
        quorum = page.locator(".accord[data-needed]").get_attribute("data-answered")
    assert "left out: it raised an error" in said and "killed" in said
    assert len(titles) >= 2 and all("it raised an error" in title for title in titles)
    assert quorum == "3"
