"""What goes wrong is seen as such, and afterwards nothing is missing that there was."""

import os
import signal
from collections import Counter
from time import monotonic

import numpy as np
import pytest
from dashboard.heard import Heard, Relay, made
from dashboard.servers import serving, until, venue

from flowsense.serve.board import wire

GUTTER = 148  # pixels right of the plot
SPAN = 300  # columns of the closest look
RESET_S = 14.0  # of the recording, when the venue resets its connections
SOON_S = 2.0
PIXELS = """([name, swatch]) => {
  const read = canvas => {
    const {width, height} = canvas;
    const {data} = canvas.getContext('2d').getImageData(0, 0, width, height);
    return [width, height, [...new Uint32Array(data.buffer)]];
  };
  return [
    read(document.querySelector(`.pane.${name} .plot canvas`)),
    read([...document.querySelectorAll('.legend .swatch')].find(
      one => one.parentElement.title === swatch)),
  ];
}"""
GREY = """() => {
  const gone = getComputedStyle(document.documentElement).getPropertyValue('--gone').trim();
  const probe = document.body.appendChild(document.createElement('i'));
  probe.style.color = gone;
  const colour = getComputedStyle(probe).color;
  probe.remove();
  const numbers = [...document.querySelectorAll('.pane .number:not(.unknown), .status .number')];
  return numbers.filter(one => one.offsetParent && getComputedStyle(one).color !== colour)
    .map(one => one.closest('.pane, .status').className + ': ' + one.textContent);
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="module")
def at(folder, data, browser):
    with venue(folder, data, f'{{"at": {RESET_S}, "do": "reset"}}') as at:
        yield at


@pytest.fixture(scope="module")
def server(folder, at):
    with serving(folder, at) as server:
        yield server


@pytest.fixture
def watched(opened, browser):
    """``page, heard = watched(url)``."""

    def watch(url):
        found = []
        page = opened(url, before=lambda page: found.append(Heard(page)))
        until(found[0].numbers, 5.0, rest=lambda: page.wait_for_timeout(50))
        return page, found[0]

    return watch


def drawn(page, name, swatch="market's book broken"):
    """A plot as (height, width) of colours, without what lies beside it; and those of a hatch."""
    (width, height, pixels), (*_, hatch) = page.evaluate(PIXELS, [name, swatch])
    return np.array(pixels).reshape(height, width)[:, : width - GUTTER], {*hatch}


def test_a_gap_is_hatched_and_nothing_is_drawn_over_it(watched, server):
    """The venue resets its connections: until the next snapshot there is no book."""
    page, heard = watched(server.url)

    def states():
        return {one.number: int(one.fields["state"]) for one in heard.columns()}

    def broken():
        found = [n for n, state in states().items() if state == wire.BROKEN]
        return found if found and states()[max(states())] == wire.WHOLE else []

    until(broken, RESET_S + 10.0, rest=lambda: page.wait_for_timeout(200))
    page.wait_for_timeout(1_000)
    for key in "++f":  # closer, and still
        page.keyboard.press(key)
    page.wait_for_timeout(200)
    gap, end = broken(), max(heard.numbers())
    assert len(gap) > 2 and gap == [*range(gap[0], gap[-1] + 1)]
    plot, hatch = drawn(page, "heat")
    first, last = ((n - end + SPAN) / SPAN * plot.shape[1] for n in (gap[0], gap[-1] + 1))
    body = plot[4 : plot.shape[0] - 24]
    found = np.flatnonzero(np.isin(body, [*hatch]).all(0) & (body != body[0]).any(0))
    assert len(found) and found[-1] - found[0] == len(found) - 1, found
    assert abs(len(found) - (last - first)) < 3, (found, first, last)
    assert abs(found[0] - first) < 8, (found, first)  # columns came while it was frozen

    plot, hatch = drawn(page, "flow")
    height = len(plot)
    lane = plot[height // 20 : height // 6, found[0] : found[-1] + 1]  # of OFI, above its zero
    assert np.isin(lane, [*hatch]).all() and len(np.unique(lane)) > 1


def test_a_cut_line_loses_no_column_and_brings_none_twice(watched, server):
    relay = Relay(int(server.url.rpartition(":")[2]))
    page, heard = watched(f"http://127.0.0.1:{relay.port}")
    page.wait_for_timeout(1_500)
    relay.cut()
    page.wait_for_selector(".banner.critical", timeout=SOON_S * 1_000)
    page.wait_for_timeout(3_000)
    relay.mend()
    page.wait_for_selector(".banner.critical", state="detached", timeout=SOON_S * 1_000)
    page.wait_for_timeout(1_500)
    relay.close()

    numbers = [n for line in range(len(heard.lines)) for n in heard.numbers(line)]
    assert len([line for line in heard.lines if line]) == 2
    assert Counter(numbers).most_common(1)[0][1] == 1
    assert sorted(numbers) == made(server.url, min(numbers), max(numbers))


def test_a_server_that_dies_and_comes_back(watched, folder, at, server):
    page, heard = watched(server.url)
    page.wait_for_timeout(1_000)
    port = int(server.url.rpartition(":")[2])
    before = heard.numbers()
    had = made(server.url, before[0], before[-1])
    os.kill(server.process.pid, signal.SIGKILL)
    killed = monotonic()
    page.wait_for_selector("text=has not been heard since")
    banner = monotonic() - killed
    page.wait_for_selector(".page.stale")
    stale, coloured = monotonic() - killed, page.evaluate(GREY)
    ages = page.locator(".pane .old").all_inner_texts()
    page.wait_for_timeout(500)

    with serving(folder, at, port) as again:
        returned = monotonic()
        page.wait_for_selector(".banner.critical", state="detached")
        page.wait_for_selector(".page:not(.stale)")
        back = monotonic() - returned
        page.wait_for_timeout(2_000)
        after = heard.numbers()
        has = made(again.url, min(after), max(after))

    assert banner <= SOON_S and stale <= SOON_S and back <= SOON_S, (banner, stale, back)
    assert len(ages) == 9 and all(age.endswith("old") for age in ages), ages
    assert coloured == []
    assert sorted(before) == had and sorted({*after}) == has
    assert min(after) > max(before)
