"""The sheet as a page: the verdict first, then what it rests on."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from flowsense.backtest.sheet import verdict
from flowsense.evaluate.report.markup import Html, count, el, moment, span
from flowsense.evaluate.report.page import document
from flowsense.schema import SECOND
from flowsense.store.atomic import replacing

NAME, DATA = "sheet.html", "sheet.json"
MOST = 3  # instruments that are named
STYLE = """
.tiles { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fit, minmax(12rem, 1fr)); }
.tile { background: var(--card); border: 1px solid var(--rule); border-radius: .5rem;
  padding: .6rem .8rem; } .tile span, .tile small { display: block; color: var(--faint);
  font-size: .8rem; } .tile b { font-size: 1.25rem; font-weight: 600; white-space: nowrap; }
.tile b span { display: inline; font-size: inherit; }
.heat td.loss { background: color-mix(in srgb, var(--null) calc(var(--share) * 55%), transparent); }
.months { min-width: 46rem; } .months b { font-weight: 600; }
.months th:last-child, .months td:last-child { border-left: .4rem solid var(--paper); }
table.narrow { width: auto; } .narrow td.text { color: var(--faint); white-space: normal; }
.few { grid-template-columns: repeat(auto-fill, minmax(16rem, 20rem)); }
.own { align-items: start; }
.gains { grid-template-columns: minmax(0, 8rem) minmax(0, 1fr) 4.6rem; }
"""


def render(content: Mapping[str, Any]) -> str:
    """The whole page from what `told` gives, or from sheet.json."""
    from flowsense.backtest.sheet.sections import sections  # brings matplotlib

    return document(verdict.title(content), _header(content), sections(content), STYLE)


def write(folder: Path, content: Mapping[str, Any]) -> Path:
    """sheet.html and sheet.json in `folder`; gives where the page lies. Raises InputError."""
    page = render(content)
    with replacing(folder / DATA) as draft:
        draft.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    with replacing(folder / NAME) as draft:
        draft.write_text(page, "utf-8")
    return folder / NAME


def _header(content: Mapping[str, Any]) -> Html:
    lead, *rest = verdict.sentences(content)
    return el(
        "header",
        el("p", " · ".join(["flowsense backtest", *_about(content)]), class_="eyebrow"),
        el("h1", verdict.title(content)),
        el("p", lead, class_="lead"),
        *(el("p", sentence) for sentence in (*rest, *_beside(content))),
    )


def _beside(content: Mapping[str, Any]) -> Iterator[str]:
    """What became of the other configuration, if one ran beside."""
    if rival := content.get("against"):
        yield f"Against {rival['b']['name']}, which is B here: {rival['sentence']}."


def _about(content: Mapping[str, Any]) -> list[str]:
    """What was traded and when, in a few words."""
    m, names = content["measures"], content["instruments"]
    who = ", ".join(names) if len(names) <= MOST else f"{count(len(names))} instruments"
    lasted = span((m["end"] - m["start"]) / SECOND)
    return [who, f"{moment(m['start'], 'm')} UTC, {lasted}", f"capital {content['capital']:,.0f}"]
