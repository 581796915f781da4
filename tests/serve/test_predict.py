import json
from dataclasses import replace
from io import BytesIO

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from serving import ask, limited, started, started_once

from flowsense.errors import InputError
from flowsense.schema import BEAT, EVENT, Decimal
from flowsense.serve import examples
from flowsense.serve.asked import Recording, arrow
from flowsense.serve.bodies import events_of
from flowsense.serve.speaking import predictions
from flowsense.serve.swapping import push
from flowsense.served import Answer
from flowsense.store.events import SCHEMA, write_events
from flowsense.testing.service import SPEC, TABLE, Simulated

PREDICT = "/api/v1/predict"
BTC = {"instrument": "BTCUSDT"}


def body(text):
    return {"content": text, "headers": {"content-type": "application/json"}}


def read(response):
    assert response.status_code == 200, response.text
    return msgspec.json.decode(response.content, type=Answer)


def test_the_latest_prediction_is_that_of_the_service():
    (found,) = read(ask("POST", PREDICT, json=BTC)).predictions
    assert found == started_once().latest("BTCUSDT")


def test_what_is_told_says_whether_to_trade():
    (found,) = ask("POST", PREDICT, json=BTC).json()["predictions"]
    assert found["should_trade"] is started_once().latest("BTCUSDT").should_trade


def test_an_explanation_comes_with_its_prediction():
    found = read(ask("POST", f"{PREDICT}?explain=1", json=BTC))
    assert found.explanation == started_once().explain("BTCUSDT")
    assert found.predictions == (found.explanation.prediction,)


def test_a_row_is_forecast_by_the_columns_that_it_has():
    name = SPEC.columns[0]
    ups = []
    for value in (-3.0, 3.0, None):
        row = BTC | {"features": {name: value}}
        ups.append(read(ask("POST", PREDICT, json=row)).predictions[0].forecasts[0].p_up)
    assert len(set(ups)) == 3


def test_of_a_row_of_ones_own_only_the_forecasts_count():
    row = BTC | {"features": {SPEC.columns[0]: 1.0}}
    (said,) = read(ask("POST", PREDICT, json=row)).predictions
    assert said.vetoes == ("no_market",) and (said.direction, said.mid, said.sequence) == (0, 0, 0)
    assert said.ts > started_once().latest("BTCUSDT").ts and all(f.ready for f in said.forecasts)


def test_the_mid_is_between_best_bid_and_ask_in_the_price_of_the_venue():
    one, found, wanted = Simulated(), [], []
    for decided in push(one.decisions, one.events[:400]):
        book = decided.tape.rows[0].book
        wanted += ((book["bid_px"][:, 0] + book["ask_px"][:, 0]) / 2 * 0.01).tolist()
        found += [p.mid for p in predictions(decided, TABLE, one.decisions.risk, 0, "v")]
    whole = [(mid, want) for mid, want in zip(found, wanted, strict=True) if mid]
    assert len(whole) > len(found) / 2
    assert [mid for mid, _ in whole] == pytest.approx([want for _, want in whole])


def test_prices_have_three_digits_more_than_their_ticks_at_most():
    one, said = Simulated(), []
    table = tuple(i._replace(tick=Decimal(617, -2)) for i in TABLE)
    for decided in push(one.decisions, one.events[:400]):
        said += predictions(decided, table, one.decisions.risk, 0, "v")
    prices = [price for p in said for price in (p.mid, p.stop, p.take_profit) if price]
    assert len(prices) > 20 and max(prices) > 1_000
    assert max(len(repr(price).partition(".")[2]) for price in prices) <= 5


def test_events_as_json_arrow_and_parquet_are_forecast_alike(tmp_path):
    events = Simulated().events[:400]
    names = events.dtype.names
    told = {"events": [dict(zip(names, e.tolist(), strict=True)) for e in events]}
    write_events(tmp_path / "events.parquet", TABLE, iter([events]))
    bodies = {
        "application/vnd.apache.parquet": (tmp_path / "events.parquet").read_bytes(),
        "application/vnd.apache.arrow.file": arrow(msgspec.convert(told, Recording)),
    }
    found = [ask("POST", PREDICT, json=told).json()]
    for kind, content in bodies.items():
        found.append(ask("POST", PREDICT, content=content, headers={"content-type": kind}).json())
    assert found[0]["predictions"] and found[0] == found[1] == found[2]


def test_events_are_forecast_as_the_pipeline_forecasts_them():
    events = Simulated().events[:600]
    names = events.dtype.names
    told = {"events": [dict(zip(names, e.tolist(), strict=True)) for e in events]}
    found = read(ask("POST", PREDICT, json=told)).predictions
    kept = started_once().kept
    assert [p.forecasts for p in found] == [p.forecasts for p in kept]


@pytest.mark.parametrize("name", examples.ASKED)
def test_the_examples_are_understood(name):
    assert ask("POST", PREDICT, json=examples.ASKED[name]).status_code in (200, 409)


@pytest.mark.parametrize(
    "wrong", ["NaN", "Infinity", "-Infinity", "1e999", "1e39", "1" + "0" * 400]
)
def test_a_feature_that_is_no_finite_number_is_refused_by_name(wrong):
    text = f'{{"instrument": "BTCUSDT", "features": {{"spread": {wrong}}}}}'
    found = ask("POST", PREDICT, **body(text))
    assert found.status_code == 422 and found.json()["field"] == "features.spread"


@pytest.mark.parametrize("wrong", ["NaN", "Infinity", "1e999", "1.5", '"1"', str(2**60)])
def test_a_price_that_is_none_is_refused_by_place(wrong):
    text = f'{{"events": [{{"ts_recv": 1, "action": 6, "price": {wrong}}}]}}'
    found = ask("POST", PREDICT, **body(text))
    assert found.status_code == 422 and found.json()["field"].startswith("events[")


@pytest.mark.parametrize("action", ["8.0", "8e0", "8"])
def test_a_whole_number_may_be_written_with_a_point(action):
    text = f'{{"events": [{{"ts_recv": 5.0, "action": {action}}}]}}'
    assert ask("POST", PREDICT, **body(text)).status_code == 200


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("[" * 100_000, 422),
        ('{"a":' * 100_000, 422),
        ('{"instrument": "BTCUSDT", "features": {"a":' + "[" * 100_000, 422),
        (" " * 1_000_001, 413),
        ("", 422),
        ("{", 422),
        ("\xff\xfe", 422),
        ('{"instrument": "\\ud800"}', 422),
        ("null", 422),
        ('{"events": [{"ts_recv": 1.0, "action": 8}], "instrument": "\\ud800"}', 422),
        ('{"events": [{"ts_recv": 1.0, "action": 8, "price": 1e300}]}', 422),
        ('{"instrument": "BTC"}', 404),
        ('{"instrument": "BTCUSDT", "venue": "nowhere"}', 404),
        ('{"instrument": "BTCUSDT", "x": 1}', 422),
        ('{"instrument": "BTCUSDT", "features": {}, "events": []}', 422),
        ('{"instrument": "BTCUSDT", "features": {"no such column": 1}}', 409),
        ('{"events": [{"ts_recv": 2, "action": 8}, {"ts_recv": 1, "action": 8}]}', 409),
        ('{"events": [{"ts_recv": 2, "action": 8, "instrument": 9}]}', 409),
        ('{"instrument": "X", "events": [{"ts_recv": 2, "action": 8}]}', 409),
    ],
)
def test_what_is_not_served_says_what_to_do(text, status):
    found = ask("POST", PREDICT, **body(text.encode("latin-1")))
    assert found.status_code == status
    assert found.json().keys() == {"code", "message", "field", "hint"}
    assert found.json()["message"].endswith(".")


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", b"ARROW1\0\0", b"\xff" * 40, b"PAR1" + b"x" * 60]
)
@pytest.mark.parametrize("kind", ["file", "stream"])
def test_what_is_no_table_is_refused(content, kind):
    told = {"content-type": f"application/vnd.apache.arrow.{kind}"}
    found = ask("POST", PREDICT, content=content, headers=told)
    assert found.status_code == 409 and "neither Arrow nor Parquet" in found.json()["message"]


def test_a_body_of_another_kind_is_not_read():
    found = ask("POST", PREDICT, content="a,b", headers={"content-type": "text/csv"})
    assert found.status_code == 415 and "application/json" in found.json()["hint"]


def test_before_the_first_prediction_there_is_none():
    found = ask("POST", PREDICT, json=BTC, service=Simulated())
    assert (found.status_code, found.json()["code"]) == (409, "not_ready")
    assert found.json()["hint"] == "the pipeline is stopped"


def test_too_many_at_once_are_told_to_come_back():
    found = ask("POST", PREDICT, json=BTC, settings=limited(predictions=0))
    assert found.status_code == 503 and found.headers["retry-after"] == "1"


def test_what_the_model_says_that_is_no_number_is_never_told():
    service = started()
    last, _ = service.newest["BTCUSDT"]
    object.__setattr__(last.forecasts[0], "p_up", float("nan"))
    found = ask("POST", PREDICT, json=BTC, service=service)
    assert found.status_code == 500 and "NaN" not in found.text
    assert json.loads(found.text)["code"] == "internal"


def written(rows, compression=None, schema=SCHEMA):
    """An Arrow stream of BEATs."""
    events = np.zeros(rows, EVENT)
    events["ts_recv"], events["action"] = np.arange(rows), BEAT
    columns = [pa.array(np.ascontiguousarray(events[name])) for name in schema.names]
    out, options = BytesIO(), pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(out, schema, options=options) as stream:
        stream.write_table(pa.table(columns, schema))
    return out.getvalue()


@pytest.mark.slow
def test_arrow_that_would_swell_is_refused_before_it_does():
    bomb = written(1_000_000, "zstd")
    with pytest.raises(InputError, match="compressed Arrow is not read"):
        events_of(bomb, TABLE)
    with pytest.raises(InputError, match="10001 are too many"):
        events_of(written(10_001), TABLE)


def test_parquet_that_would_swell_is_refused_before_it_does(tmp_path):
    table = pa.table({"x": np.zeros(3_000_000, np.int64)})
    pq.write_table(table, tmp_path / "x.parquet", compression="zstd", use_dictionary=False)
    with pytest.raises(InputError, match="3000000 are too many"):
        events_of((tmp_path / "x.parquet").read_bytes(), TABLE)


def varint(n, width=0):
    """Of Thrift, zigzag; as long as `width`, if it can be."""
    n, out = n << 1, bytearray()
    while n >= 0x80 or len(out) + 1 < width:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes([*out, n])


def lying(size, compression="zstd"):
    """A Parquet file of a few kB with one page of `size` bytes, of which its footer says 9."""
    out = BytesIO()
    table = pa.table({"x": pa.array([b"0" * size], pa.large_binary())})
    pq.write_table(
        table, out, compression=compression, use_dictionary=False, write_statistics=False
    )
    body = out.getvalue()
    at = len(body) - 8 - int.from_bytes(body[-8:-4], "little")
    told = pq.ParquetFile(BytesIO(body)).metadata.row_group(0).total_byte_size
    long = varint(told)
    return body[:at] + body[at:].replace(long, varint(9, len(long)))


def test_parquet_whose_footer_lies_of_what_it_becomes_is_refused_before_it_does():
    body = lying(1 << 25)
    assert len(body) < 10_000
    assert pq.ParquetFile(BytesIO(body)).metadata.row_group(0).total_byte_size == 9
    with pytest.raises(InputError, match="more than 16777216 bytes once they are decompressed"):
        events_of(body, TABLE)
    kind = {"content-type": "application/vnd.apache.parquet"}
    found = ask("POST", PREDICT, content=body, headers=kind)
    assert (found.status_code, found.json()["code"]) == (413, "too_large")


def test_a_page_of_parquet_that_says_nothing_of_its_size_is_refused():
    body = bytearray(lying(100, "none"))
    body[4:8] = b"\x00" * 4  # the header of its first page ends at once
    with pytest.raises(InputError, match="neither Arrow nor Parquet"):
        events_of(bytes(body), TABLE)


def test_an_arrow_file_is_read_as_the_stream_in_it():
    events = events_of(arrow(msgspec.convert(examples.ASKED["events"], Recording)), TABLE)
    assert len(events) == 4 and set(events["instrument"]) == {0}


@pytest.mark.parametrize("place", range(0, 1_200, 37))
def test_a_damaged_body_is_refused_or_read_but_never_worse(place):
    body = bytearray(written(20))
    body[place % len(body)] ^= 0x55
    try:
        events_of(bytes(body), TABLE)
    except InputError:
        return


def test_columns_that_are_not_those_of_events_are_refused():
    with pytest.raises(InputError, match="columns are not"):
        events_of(written(3, schema=SCHEMA.remove(0)), TABLE)


def named(said):
    """An Arrow stream of one BEAT with this in its schema."""
    return written(1, schema=SCHEMA.with_metadata(said))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({b"flowsense.events": b"{}"}, "damaged instrument table"),
        ({b"flowsense.events": b"["}, "damaged instrument table"),
        ({b"flowsense.symbol": b"X"}, "'X' is not of this pipeline"),
        ({b"flowsense.symbol": b"BTCUSDT", b"flowsense.venue": b"x"}, "not of this pipeline"),
        ({b"flowsense.symbol": b"\xff"}, "not of this pipeline"),
    ],
)
def test_a_recording_of_something_else_is_refused(said, why):
    with pytest.raises(InputError, match=why):
        events_of(named(said), TABLE)


@pytest.mark.parametrize(("column", "value"), [("action", 99), ("lots", -1), ("side", 5)])
def test_an_event_that_cannot_be_is_refused_by_place(column, value):
    events = Simulated().events[:3].copy()
    events[column][1] = value
    columns = [pa.array(np.ascontiguousarray(events[name])) for name in SCHEMA.names]
    out = BytesIO()
    with pa.ipc.new_stream(out, SCHEMA) as stream:
        stream.write_table(pa.table(columns, SCHEMA))
    with pytest.raises(InputError, match=rf"events\[1\].{column}: {value}: give"):
        events_of(out.getvalue(), TABLE)


class Begun(Simulated):
    """A pipeline that starts, and listens to nothing yet."""

    def status(self):
        return replace(super().status(), feeds=(), state="starting")


def test_while_it_starts_no_instrument_is_unknown():
    for body in (BTC, BTC | {"features": {SPEC.columns[0]: 1.0}}):
        found = ask("POST", PREDICT, service=Begun(), json=body)
        assert (found.status_code, found.json()["code"]) == (409, "not_ready")
        assert found.json()["hint"] == "the pipeline is starting" and "retry-after" in found.headers
