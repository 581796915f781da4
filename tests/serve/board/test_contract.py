"""What the server tells and what the page reads are one contract, written down in two languages."""

import re
import types
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import pytest

from flowsense import served
from flowsense.serve.board import told, wire

SOURCES = Path(__file__).parents[3] / "dashboard" / "src"
PLAIN = {int: "number", float: "number", str: "string", bool: "boolean", type(None): "null"}
ASKED = (told.Watch, told.Again, told.Acknowledge, told.Ask)  # by a page: what is left out is null
CLASSES = [
    *(one for one in vars(told).values() if is_dataclass(one) and one.__module__ == told.__name__),
    *(served.Prediction, served.Likelihood),
]


def source(name):
    return (SOURCES / name).read_text(encoding="utf-8")


def written(hint):
    """A type of Python's, as TypeScript writes it."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " | ".join(f'"{one}"' for one in inner)
    if origin in (Union, types.UnionType):
        return " | ".join(written(one) for one in inner)
    if origin is tuple and inner[-1] is Ellipsis:
        one = written(inner[0])
        return f"readonly ({one})[]" if " " in one else f"readonly {one}[]"
    if origin is tuple:
        return f"readonly [{', '.join(written(one) for one in inner)}]"
    if origin is dict:
        return f"Readonly<Record<{', '.join(written(one) for one in inner)}>>"
    return hint.__name__ if is_dataclass(hint) else PLAIN[hint]


def interfaces():
    """name -> {field: type} of told.ts; what a page may leave out ends in `?`."""
    text = re.sub(r"\s*//.*", "", source("told.ts"))
    found = re.findall(r"export interface (\w+) \{(.*?)\n\}", text, re.DOTALL)
    return {
        name: dict(re.findall(r"readonly (\w+\??): (.*?);", body, re.DOTALL))
        for name, body in found
    }


def expected(one):
    hints, out = get_type_hints(one), {}
    for field in fields(one):
        left_out = one in ASKED and field.default is not MISSING
        kind = written(hints[field.name])
        if field.name == "topic":
            kind = f'"{field.default}"'
        if left_out and one is told.Ask and is_dataclass(get_args(hints[field.name])[0]):
            kind = kind.removesuffix(" | null")  # a page asks for something
        out[field.name + "?" * left_out] = kind
    return out


@pytest.mark.parametrize("one", CLASSES, ids=lambda one: one.__name__)
def test_an_interface_of_the_page_has_the_fields_that_are_told(one):
    assert interfaces()[one.__name__] == expected(one)


def test_the_page_has_no_other_interfaces():
    assert set(interfaces()) == {one.__name__ for one in CLASSES}


def test_the_page_knows_every_topic():
    union = re.search(r"export type Topic =(.*?);", source("told.ts"), re.DOTALL)[1]

    assert re.findall(r"\w+", union) == [one.__name__ for one in get_args(told.Topic)]


def constants(name):
    return {
        name: int(number.replace("_", ""))
        for name, number in re.findall(r"export const ([A-Z_\d]+) = ([\d_]+);", source(name))
    }


def test_constants_are_those_of_the_server():
    page = constants("told.ts")

    assert page == {name: getattr(told, name) for name in ("PROTOCOL", "GRID_MS", "KEPT")}


def test_constants_of_columns_are_those_of_the_server():
    page, sizes = constants("wire.ts"), {"HEAD": wire.HEAD, "COLUMN": wire.COLUMN}

    assert page.pop("KIND") == 1
    for name, record in {**sizes, "TRADE": wire.TRADE}.items():
        assert page.pop(f"{name}_BYTES") == record.itemsize
    numbers = {k: v for k, v in vars(wire).items() if isinstance(v, int | float) and k.isupper()}
    del numbers["CELLS"]  # every frame tells it
    assert page == numbers


@pytest.mark.parametrize("name", ["HEAD", "COLUMN", "TRADE"])
def test_every_field_lies_where_the_server_writes_it(name):
    record = getattr(wire, name)
    table = re.search(rf"export const {name} = \{{(.*?)\}} as const", source("wire.ts"), re.DOTALL)
    page = {field: int(at) for field, at in re.findall(r"(\w+): (\d+)", table[1])}

    assert page == {n: record.fields[n][1] for n in record.names if n != "pad"}


def test_every_field_is_read_as_the_type_that_is_written():
    readers = {"<f8": "Float64", "<f4": "Float32", "|u1": "Uint8", "|i1": "Int8"}
    read = dict(
        re.findall(r"fields\.(\w+)\[place\] = view\.get(\w+)\(at \+ COLUMN", source("columns.ts"))
    )
    kinds = {name: readers[wire.COLUMN[name].str] for name in wire.COLUMN.names}

    assert read == {name: kind for name, kind in kinds.items() if name != "trades"}
    assert kinds["trades"] == readers[np.dtype("u1").str]
