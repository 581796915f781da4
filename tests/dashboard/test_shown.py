"""Every pane shows data, which moves, and which is what the API says of the same moment."""

import json
import re

import pytest
from dashboard.heard import columns
from dashboard.servers import serving, until, venue

from flowsense.client import Client
from flowsense.serve.board import wire

PANES = {"heat", "flow", "ribbons", "votes", "calibration", "equity", "latency", "drift", "alarms"}
DRAWN = ("heat", "flow", "ribbons", "latency")  # on a canvas
SAID = "() => ({...document.querySelector('.decision').dataset})"
INK = """name => {
  const canvas = document.querySelector(`.pane.${name} .body canvas`);
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  const words = new Uint32Array(pixels.buffer);
  const hash = words.reduce((h, w) => Math.imul(h ^ w, 16777619), 2166136261);
  return [hash, new Set(words).size];
}"""


@pytest.fixture(scope="module", params=["demo", "recorded"])
def url(request, tmp_path_factory):
    if request.param == "demo":
        yield request.getfixturevalue("demo").url
        return
    folder, data = tmp_path_factory.mktemp("recorded"), request.getfixturevalue("data")
    with venue(folder, data) as at, serving(folder, at) as server:
        yield server.url


@pytest.fixture(scope="module")
def live(browser, url):
    """A page that has been open for a while."""
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.goto(url)
    page.wait_for_selector(".decision[data-sequence]", timeout=20_000)
    yield page
    page.close()


@pytest.mark.parametrize("name", DRAWN)
def test_what_is_drawn_moves(live, name):
    until(lambda: live.evaluate(INK, name)[1] > 4, 10.0)
    before = live.evaluate(INK, name)
    until(lambda: live.evaluate(INK, name)[0] != before[0], 5.0)


@pytest.mark.parametrize(
    ("of", "name"),
    [(".decision", "sequence"), (".account", "number"), (".reliability", "outcomes")],
)
def test_numbers_move(live, of, name):
    def number():
        return float(live.get_attribute(of, f"data-{name}") or 0)

    before = until(number, 40.0)
    until(lambda: number() > before, 25.0)


def test_panes_that_seldom_change_say_how_it_stands(live):
    drift, alarms = (live.inner_text(f".pane.{name} .body") for name in ("drift", "alarms"))
    assert "compared" in drift and "Error rose" in drift
    assert "none now" in alarms or "since" in alarms


def test_votes_are_those_of_the_api_at_the_same_sequence(live, url):
    seen = {}
    for _ in range(30):
        said = live.evaluate(SAID)
        seen[int(said["sequence"])] = said
        live.wait_for_timeout(100)

    with Client(url) as client:
        told = {}
        for message in client.stream(since=min(seen) - 1):
            told[message.prediction.sequence] = message.prediction
            if message.prediction.sequence >= max(seen):
                break

    assert len(seen) > 5
    for sequence, said in seen.items():
        one = told[sequence]
        of = next(f for f in one.forecasts if f.target == one.target)
        for name in ("direction", "confidence", "position_size", "magnitude", "mid", "stop"):
            assert float(said[camel(name)]) == getattr(one, name), (sequence, name)
        if of.ready:
            for name in ("p_down", "p_flat", "p_up"):
                assert float(said[camel(name)]) == getattr(of, name), (sequence, name)
        assert said["shouldTrade"] == str(one.should_trade).lower()


def test_flow_is_that_of_the_column_of_its_number(live, url):
    seen = {}
    for _ in range(20):
        said = json.loads(live.get_attribute(".pane.flow [data-raw]", "data-raw"))
        seen[said["number"]] = said
        live.wait_for_timeout(100)
    told = {int(one.number): one.fields for one in columns(url, min(seen), max(seen))}
    fields = ("ofi1", "ofi5", "ofi10", "imbalance")

    assert len(seen) > 5
    for number, said in seen.items():
        of = told[number]
        raw = dict(zip(fields, (said["1"], said["5"], said["10"], said["imbalance"]), strict=True))
        for name, bit in zip(
            fields, (wire.OFI1, wire.OFI5, wire.OFI10, wire.IMBALANCE), strict=True
        ):
            assert raw[name] == (float(of[name]) if of["known"] & bit else None), (number, name)
        assert said["cvd"] == float(of["cvd"])


def test_the_strip_counts_what_the_api_counts(live, url):
    def shown():
        items = live.eval_on_selector_all(
            ".status .item", "all => all.map(one => [one.children[0].innerText, one.innerText])"
        )
        return {name: text.removeprefix(name).split() for name, text in items}

    def told():
        with Client(url) as client:
            found = client.status()
        sums = {
            name: [f"{sum(getattr(f, name) for f in found.feeds):,}"]
            for name in ("gaps", "reconnects")
        }
        model = [found.model.name, found.model.version[:8]]
        return sums | {"dropped": [f"{found.dropped:,}"], "model": model}

    until(lambda: told().items() <= shown().items(), 5.0, lambda: f"{told()}, {shown()}")


def test_no_number_is_shown_that_is_not_known(opened, url):
    """What a member that fails looks like: `test_members`."""
    page = opened(url)
    texts = page.eval_on_selector_all(
        ".number.unknown", "all => all.map(one => [one.textContent.trim(), one.title])"
    )
    words = page.inner_text("body")
    assert all("\N{EN DASH}" in text for text, _ in texts)
    assert all(len(why) > 10 for _, why in texts), texts
    assert not re.search(r"\b(NaN|null|undefined|Infinity)\b", words)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_all_panes_stand_on_1280_by_720_without_scrolling(opened, url, theme):
    page = opened(url, theme)
    shown = page.evaluate("() => [...document.querySelectorAll('.pane')].map(p => p.classList[1])")
    boxes = [page.locator(f".pane.{name}").bounding_box() for name in shown]
    root = "({scrollWidth: w, scrollHeight: h}) => [w, h]"
    assert set(shown) == PANES and all(b["width"] > 100 and b["height"] > 60 for b in boxes)
    assert all(b["x"] + b["width"] <= 1280 and b["y"] + b["height"] <= 720 for b in boxes)
    assert page.evaluate(f"() => ({root})(document.documentElement)") == [1280, 720]
    assert page.get_attribute("html", "data-theme") == theme


def test_a_phone_shows_status_votes_and_alarms_alone(opened, url):
    page = opened(url, size=(390, 844))
    seen = {name for name in PANES if page.locator(f".pane.{name}").is_visible()}
    assert seen == {"votes", "alarms"} and page.locator(".status").is_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth") == 390


def camel(name):
    return re.sub("_(.)", lambda found: found[1].upper(), name)
