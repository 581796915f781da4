"""The page: what was found first, then everything that lets a reader doubt it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from flowsense.evaluate.report import verdict
from flowsense.evaluate.report.markup import Html, count, el, moment, slug, span
from flowsense.evaluate.report.style import SHEET
from flowsense.schema import SECOND
from flowsense.store.atomic import replacing

NAME = "report.html"


def render(metrics: Mapping[str, Any], curves: Mapping[str, Any]) -> str:
    """The whole page from metrics.json and what `evaluate.curves` gives."""
    from flowsense.evaluate.report.sections import sections  # brings matplotlib

    return document(verdict.title(metrics), _header(metrics), sections(metrics, curves))


def document(title: str, header: Html, sections: Iterable[tuple[str, Html]], more: str = "") -> str:
    """A page that needs nothing else; sections by name, those with nothing to say left out.

    more: rules of style after those of all pages.
    """
    found = [(name, body) for name, body in sections if body]
    links = el("nav", *(el("a", name, href=f"#{slug(name)}") for name, _ in found))
    parts = [
        el("section", el("h2", name, id=slug(name)), body, class_="part") for name, body in found
    ]
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", title),
        el("style", Html(SHEET + more)),
    )
    page = el("html", head, el("body", el("main", header, links, *parts)), lang="en")
    return f"<!doctype html>\n{page}\n"


def write(path: Path, metrics: Mapping[str, Any], curves: Mapping[str, Any]) -> Path:
    """The page at `path`, or as report.html in the folder `path`; gives where it lies.

    Raises InputError where it cannot be written.
    """
    place = path / NAME if path.is_dir() else path
    text = render(metrics, curves)
    with replacing(place) as draft:
        draft.write_text(text, "utf-8")
    return place


def _header(metrics: Mapping[str, Any]) -> Html:
    lead, *rest = verdict.sentences(metrics)
    return el(
        "header",
        el("p", " · ".join(["flowsense", *_about(metrics["data"])]), class_="eyebrow"),
        el("h1", verdict.title(metrics)),
        el("p", lead, class_="lead"),
        *(el("p", sentence) for sentence in rest),
    )


def _about(data: Mapping[str, Any]) -> list[str]:
    """What was read, in a few words."""
    said = []
    if data.get("span"):
        first, last = data["span"]
        said.append(f"{moment(first, 'm')} UTC, {span((last - first) / SECOND)}")
    said += [f"{count(data[k])} {k}" for k in ("events", "rows") if data.get(k)]
    return said
