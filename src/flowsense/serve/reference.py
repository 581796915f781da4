"""/docs: the description of the API for people, one page that fetches nothing from anywhere."""

from collections.abc import Iterable
from functools import cache
from html import escape
from json import dumps
from typing import Any

from flowsense.serve.openapi import ALWAYS, JSON, MEANINGS, WEBSOCKETS, document
from flowsense.served import UNIT

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
pre { background: #8881; padding: .6rem; overflow-x: auto; font-size: 13px }
h2 { margin-top: 2.5rem } h2 code { font-size: 1.1rem } summary { cursor: pointer }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 }
td, th { text-align: left; vertical-align: top; padding: .15rem .8rem .15rem 0 }
td:first-child { white-space: nowrap }
td, th { border-bottom: 1px solid #8883 } th { font-weight: 600 }
:root { color-scheme: light dark }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # of what the page may load
FIRST = ("Prediction", "Likelihood")  # read more often than the others
REFS = "#/components/schemas/"


@cache
def page() -> str:
    """HTML."""
    told = document()
    shown = {
        path: "".join(operation(method.upper(), path, about) for method, about in methods.items())
        for path, methods in told["paths"].items()
    }
    streams = "".join(stream(path, about) for path, about in told[WEBSOCKETS].items())
    first, *others = shown.values()
    schemas = told["components"]["schemas"]
    rest = (folded(name, fields(one)) for name, one in sorted(schemas.items()) if name not in FIRST)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>flowsense</title>'
        f"<style>{STYLE}</style><h1>flowsense {escape(told['info']['version'])}</h1>"
        f"<p>{escape(told['info']['description'])} For programs: "
        '<a href="/openapi.json">openapi.json</a>.</p>'
        f"{first}{''.join(read(schemas[name], name) for name in FIRST)}{streams}{''.join(others)}"
        f"<h2>Refusals of every path</h2>{refusals(told['paths'])}"
        f"<h2>Schemas</h2>{''.join(rest)}</html>"
    )


def operation(method: str, path: str, about: dict[str, Any]) -> str:
    bodies = about.get("requestBody", {}).get("content", {}).get(JSON, {}).get("examples", {})
    answers = about["responses"].items()
    shown = [
        *(folded(f"Body: {name}", code(one["value"])) for name, one in bodies.items()),
        *(answered(status, one) for status, one in answers if int(status) < 400),
        *(answered(status, one) for status, one in answers if int(status) not in (*ALWAYS, 200)),
    ]
    return f"{heading(method, path, about)}{''.join(shown)}"


def heading(method: str, path: str, about: dict[str, Any]) -> str:
    asked = [
        (f"{'' if p['in'] == 'path' else '?'}{p['name']}={p['example']}", p["description"])
        for p in about["parameters"]
    ]
    return (
        f"<h2><code>{method} {escape(path)}</code></h2><p>{escape(about['summary'])}.</p>"
        f"{table((), asked) if asked else ''}"
    )


def stream(path: str, about: dict[str, Any]) -> str:
    said = about["message"]["examples"].items()
    messages = "".join(folded(f"Message: {name}", code(one["value"])) for name, one in said)
    closes = folded("Close codes", table((), about["closes"].items()))
    return f"{heading('WebSocket', path, about)}{messages}{closes}"


def answered(status: str, answer: dict[str, Any]) -> str:
    told = (m.get("examples", {}) for m in answer["content"].values())
    shown = "".join(code(one["value"]) for some in told for one in some.values())
    return folded(f"{status}: {answer['description']}", shown)


def refusals(paths: dict[str, Any]) -> str:
    """Those that all paths have in common, once."""
    some: dict[str, Any] = next(about for each in paths.values() for about in each.values())
    return "".join(answered(str(status), some["responses"][str(status)]) for status in ALWAYS)


def read(schema: dict[str, Any], name: str) -> str:
    """A table of its fields, and of the values that have meanings of their own."""
    told = ((f, one[MEANINGS]) for f, one in schema["properties"].items() if MEANINGS in one)
    meanings = "".join(f"<h3>{escape(field)}</h3>{table((), each.items())}" for field, each in told)
    return f"<h3>{escape(name)}: how to read it</h3>{fields(schema)}{meanings}"


def fields(schema: dict[str, Any]) -> str:
    rows = (
        (name, typed(one), one.get(UNIT, ""), one.get("description", ""))
        for name, one in schema["properties"].items()
    )
    about = schema.get("description", "")
    return f"<p>{escape(about)}</p>{table(('field', 'type', 'unit', 'meaning'), rows)}"


def typed(schema: dict[str, Any]) -> str:
    """As a person writes it: ``list of Likelihood``, ``number or null``."""
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(REFS)
    if "anyOf" in schema:
        return " or ".join(map(typed, schema["anyOf"]))
    kind = str(schema.get("type", "any"))
    if "prefixItems" in schema:
        return ", ".join(map(typed, schema["prefixItems"]))
    if kind == "array":
        return f"list of {typed(schema.get('items', {}))}"
    inner = schema.get("additionalProperties")
    return f"{typed(inner)} by name" if isinstance(inner, dict) else kind


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """The first of each row is a name."""
    top = "".join(f"<th>{name}</th>" for name in head)
    body = "".join(
        f"<tr><td><code>{escape(name)}</code></td>"
        f"{''.join(f'<td>{marked(cell)}</td>' for cell in cells)}</tr>"
        for name, *cells in rows
    )
    return f"<table>{f'<tr>{top}</tr>' if top else ''}{body}</table>"


def marked(text: str) -> str:
    """HTML, with what stands between backticks as code."""
    parts = map(escape, text.split("`"))
    return "".join(f"<code>{part}</code>" if k % 2 else part for k, part in enumerate(parts))


def code(value: Any) -> str:
    text = value if isinstance(value, str) else dumps(value, indent=2)
    return f"<pre>{escape(text)}</pre>"


def folded(title: str, inner: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{inner}</details>"
