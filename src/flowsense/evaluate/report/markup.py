"""HTML by functions that escape, and numbers as people read them."""

import re
from collections.abc import Iterable, Mapping
from html import escape
from itertools import starmap
from typing import Any

import numpy as np

VOID = ("meta", "br", "col")
MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"


class Html(str):
    """Text that is markup already; every other text is escaped."""

    __slots__ = ()


def el(tag: str, *inner: object, **attributes: object) -> Html:
    """One element. ``class_`` is ``class``; an attribute that is None or empty is left out."""
    named = ((k.strip("_").replace("_", "-"), v) for k, v in attributes.items() if v)
    head = "".join(f' {k}="{escape(str(v))}"' for k, v in named)
    return Html(f"<{tag}{head}>" if tag in VOID else f"<{tag}{head}>{join(inner)}</{tag}>")


def join(parts: Iterable[object]) -> Html:
    return Html("".join(p if isinstance(p, Html) else escape(str(p)) for p in parts))


def figure(x: float, digits: int = 3) -> str:
    """``.659``, ``1.034``: no zero before the point; the minus is a true one."""
    text = f"{abs(x):.{digits}f}"
    sign = MINUS if x < 0 and float(text) > 0 else ""
    return sign + (text[1:] if text.startswith("0.") else text)


def number(x: float | None, why: str = "no row supports it", digits: int = 3) -> Html:
    """A figure, or a dash that says why when pointed at."""
    return missing(why) if x is None else Html(escape(figure(x, digits)))


def missing(why: str) -> Html:
    return el("span", DASH, class_="none", title=why)


def count(n: int) -> str:
    return f"{n:,}"


def percent(share: float) -> str:
    """``25 %`` of 0.25."""
    return f"{share * 100:.3g} %"


def points(x: float) -> str:
    """A difference of accuracies in points of a percent, signed: ``+3.9``."""
    return f"{MINUS if x < 0 else '+'}{abs(x) * 100:.1f}"


def moment(ts: int, unit: str = "s") -> str:
    """ns UTC as ``2012-06-21 13:30:00``."""
    return str(np.datetime64(ts, "ns").astype(f"datetime64[{unit}]")).replace("T", " ")


def span(seconds: float) -> str:
    """``3.2 s``, ``14 min``, ``2.5 h``, ``12 days`` or ``2,100 days``."""
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            count = seconds / size
            return f"{count:,.0f} {unit}" if count >= 100 else f"{count:.3g} {unit}"
    return f"{seconds:.3g} s"


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def table(head: Iterable[object], rows: Iterable[Iterable[Html]], **attributes: object) -> Html:
    """Rows of finished cells under a head, in a frame that scrolls on narrow screens."""
    top = el("tr", *(h if isinstance(h, Html) else el("th", h, scope="col") for h in head))
    body = join(el("tr", *row) for row in rows)
    inside = el("table", el("thead", top), el("tbody", body), **attributes)
    return el("div", inside, class_="scroll")


def facts(values: Mapping[str, Any]) -> Html:
    """Nested settings, as they are."""
    return el("dl", *starmap(_fact, values.items()), class_="facts")


def _fact(key: str, value: object) -> Html:
    return join((el("dt", key.replace("_", " ")), el("dd", _plain(value))))


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_plain(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        between = "; " if any(isinstance(v, Mapping) for v in value) else ", "
        return between.join(str(_plain(v)) for v in value) or "none"
    if isinstance(value, bool) or value is None:
        return {None: "none", True: "yes", False: "no"}[value]
    return count(value) if isinstance(value, int) else value


def card(title: str, beside: str, body: Html) -> Html:
    return el(
        "div", el("h3", title, " ", el("small", beside) if beside else ""), body, class_="card"
    )


def quiet(text: str) -> Html:
    return el("p", text, class_="quiet")


def areas(*entries: tuple[str, str]) -> Html:
    """Swatches of areas."""
    items = (el("li", el("i", class_=f"swatch {kind}"), words) for kind, words in entries)
    return el("ul", *items, class_="key")


def strokes(*entries: tuple[str, str]) -> Html:
    """Swatches of lines."""
    items = (el("li", el("i", class_=f"line {kind}"), words) for kind, words in entries)
    return el("ul", *items, class_="key")
