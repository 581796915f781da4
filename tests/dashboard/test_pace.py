"""How fast the page is, how little it holds, and what it costs the server that tells it."""

import gzip
from contextlib import contextmanager
from importlib.resources import files
from itertools import pairwise
from os import sysconf
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep

import numpy as np
import pytest
from websockets.sync.client import connect

from flowsense.client import Client
from flowsense.serve.board.feed import PATH, PROTOCOL

MOST = 300_000  # bytes of all that is loaded, packed
FIRST_S = 2.0  # to the first paint with data
FRAME_MS, SHARE = 33.0, 0.95
TICKS = sysconf("SC_CLK_TCK")
PAGES = 8  # at once: what one costs is less than what two stretches differ by
FRAMES = """milliseconds => new Promise(done => {
  const took = [];
  let last = performance.now();
  const end = last + milliseconds;
  const frame = now => {
    took.push(now - last);
    last = now;
    now < end ? requestAnimationFrame(frame) : done(took.slice(1));
  };
  requestAnimationFrame(frame);
})"""
PAINTED = """() => {
  const canvas = document.querySelector('.pane.heat canvas');
  const {width, height} = canvas;
  const pixels = canvas.getContext('2d').getImageData(0, 0, width, height).data;
  return new Set(new Uint32Array(pixels.buffer)).size > 16;
}"""


def test_the_page_is_small():
    found = files("flowsense.serve.board") / "page"
    if not found.is_dir():
        pytest.skip("the page is not built: make dashboard")
    sizes = {p.name: len(gzip.compress(p.read_bytes())) for p in Path(str(found)).rglob("*.*")}
    assert 0 < sum(sizes.values()) <= MOST, sizes


def test_the_first_paint_with_data_comes_within_two_seconds(browser, demo):
    """The best of three: others may want the machine, too."""
    took = []
    for _ in range(3):
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        begun = monotonic()
        page.goto(demo.url)
        page.wait_for_selector(".decision[data-sequence]")
        page.wait_for_function(PAINTED)
        took.append(monotonic() - begun)
        page.close()
        if took[-1] <= FIRST_S:
            break
    assert min(took) <= FIRST_S, took


def test_frames_are_on_time_while_columns_come(opened, demo):
    """Ten columns a second on all panes; the best of three stretches."""
    page, shares = opened(demo.url), []
    page.wait_for_function(PAINTED)
    page.wait_for_timeout(1_000)
    for _ in range(3):
        took = np.array(page.evaluate(FRAMES, 5_000))
        shares.append(float(np.mean(took < FRAME_MS)))
        if shares[-1] >= SHARE:
            break
    worst = np.percentile(took, (50, 95, 100)).round(1).tolist()
    assert max(shares) >= SHARE, f"{shares} of {len(took)} frames in time; ms: {worst}"
    assert len(took) > 100


def heap(page):
    """Bytes that are held after all has been collected."""
    session = page.context.new_cdp_session(page)
    for _ in range(2):
        session.send("HeapProfiler.collectGarbage")
    used = session.send("Runtime.getHeapUsage")["usedSize"]
    session.detach()
    return used


def grown(page, seconds):
    """Bytes, after the page has been open for a while."""
    page.wait_for_timeout(8_000)
    before = heap(page)
    page.wait_for_timeout(1_000 * seconds)
    return heap(page) - before


def test_nothing_is_held_that_is_not_shown(opened, demo):
    more = grown(opened(demo.url), 60)
    assert more < 2_000_000, f"{more:,} bytes in a minute"


@pytest.mark.soak
@pytest.mark.timeout(3_000)
def test_half_an_hour_is_held_in_a_megabyte(opened, demo):
    page, held = opened(demo.url), []
    page.wait_for_timeout(600_000)  # until the ring of columns is full
    for _ in range(11):
        held.append(heap(page))
        page.wait_for_timeout(180_000)
    assert held[-1] - held[0] < 1_000_000, held


def spent(pid):
    """Seconds of the processor."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICKS


def share(pid, seconds):
    """Of one core."""
    before, begun = spent(pid), monotonic()
    sleep(seconds)
    return (spent(pid) - before) / (monotonic() - begun)


@contextmanager
def watching(url):
    """Pages as the server knows them: a browser on the same cores would be counted in."""
    gone = Event()

    def look():
        with connect(url.replace("http", "ws") + PATH, subprotocols=[PROTOCOL]) as line:
            line.send('{"watch": {"instrument": 0}}')
            while not gone.is_set():
                line.recv(5.0)

    threads = [Thread(target=look) for _ in range(PAGES)]
    for thread in threads:
        thread.start()
    sleep(1.0)
    yield
    gone.set()
    for thread in threads:
        thread.join()


def test_an_open_page_costs_the_server_nearly_nothing(demo):
    """Less than 2 % of a core, and nothing on the way of a prediction; stretches take turns."""
    away, here, marks = [], [], []
    for _ in range(4):
        marks.append(sequence(demo.url))
        away.append(share(demo.process.pid, 3.0))
        with watching(demo.url):
            marks.append(sequence(demo.url))
            here.append(share(demo.process.pid, 3.0))
    took = totals(demo.url, [*marks, sequence(demo.url)])
    cost = float(np.median(here) - np.median(away)) / PAGES
    without, beside = (float(np.median(np.concatenate(took[k::2]))) for k in (0, 1))
    said = f"{cost:.2%} of a core: {away}, {here}; p50 {without:.2f}, {beside:.2f} ms"
    assert cost < 0.02, said
    assert beside < 1.25 * without + 0.2 * PAGES, said


def sequence(url):
    with Client(url) as client:
        return client.status().predictions


def totals(url, marks):
    """Milliseconds from socket to prediction, between each two marks."""
    found = {}
    with Client(url) as client:
        for message in client.stream(since=marks[0]):
            found[message.prediction.sequence] = message.prediction.latency_us["total"] / 1e3
            if message.prediction.sequence >= marks[-1]:
                break
    return [[found[n] for n in range(a + 1, b + 1)] for a, b in pairwise(marks)]
