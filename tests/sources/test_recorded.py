import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flowsense.errors import InputError
from flowsense.schema import EVENT, LAST, NEVER, Decimal, Instrument
from flowsense.sources.instants import CHUNK, whole
from flowsense.sources.recorded import Recorded, claims, open
from flowsense.store.events import GROUP, KEY, write_events


@pytest.fixture
def recording(tmp_path, events, instruments):
    path = tmp_path / "day.parquet"
    assert write_events(path, instruments, [events[:7], events[:0], events[7:]]) == len(events)
    return path


def damaged(path, data):
    path.write_bytes(data)
    return path


def test_what_was_written_is_read_bit_equal(recording, events, instruments):
    source = Recorded(recording)
    for _ in range(2):
        assert np.concatenate(list(source)).tobytes() == events.tobytes()
    assert source.instruments == instruments
    assert (source.name, source.files) == (str(recording), (recording,))


def test_every_field_keeps_its_extremes(tmp_path, instruments):
    events = np.zeros(2, EVENT)
    for name in EVENT.names:
        info = np.iinfo(EVENT[name])
        events[name] = (info.min, info.max)
    events["instrument"], events["ts_recv"] = (0, 1), (0, NEVER - 1)
    write_events(tmp_path / "e.parquet", instruments, [events])
    assert np.concatenate(list(Recorded(tmp_path / "e.parquet"))).tobytes() == events.tobytes()


def test_an_empty_recording_has_instruments_and_no_events(tmp_path):
    table = (Instrument("A-é", "v", Decimal(25, -2), Decimal(1, -8), Decimal(5, 1), True),)
    write_events(tmp_path / "e.parquet", table, [])
    assert Recorded(tmp_path / "e.parquet").instruments == table
    assert not list(Recorded(tmp_path / "e.parquet"))


def test_groups_become_chunks_of_whole_messages():
    rng = np.random.default_rng(0)
    events = np.zeros(20_000, EVENT)
    events["bits"] = rng.random(len(events)) < 0.01
    events["sequence"] = np.arange(len(events))
    cuts = np.sort(rng.integers(0, len(events), 9))
    chunks = list(whole(iter(np.split(events, cuts))))
    assert np.concatenate(chunks).tobytes() == events.tobytes()
    assert all(chunk["bits"][-1] & LAST for chunk in chunks[:-1])
    assert max(map(len, chunks)) < CHUNK + 2_000


@pytest.mark.slow
def test_a_recording_of_several_groups(tmp_path, instruments):
    events = np.zeros(GROUP * 2 + 5, EVENT)
    events["sequence"], events["bits"] = np.arange(len(events)), LAST
    write_events(tmp_path / "e.parquet", instruments, np.array_split(events, 30))
    assert np.concatenate(list(Recorded(tmp_path / "e.parquet"))).tobytes() == events.tobytes()
    assert pq.read_metadata(tmp_path / "e.parquet").num_row_groups == 3


def test_it_claims_its_own_and_nothing_else(recording, tmp_path):
    other = tmp_path / "other.parquet"
    pq.write_table(pa.table({"a": [1]}), other)
    assert claims(recording, b"PAR1")
    assert not claims(other, b"PAR1")
    assert not claims(damaged(tmp_path / "cut", recording.read_bytes()[:-9]), b"PAR1")
    with pytest.raises(InputError, match="no flowsense recording"):
        Recorded(other)


def test_one_source_per_file(recording):
    assert [source.name for source in open([recording] * 2)] == [str(recording)] * 2


def test_events_that_go_back_are_not_written(tmp_path, events, instruments):
    for wrong in ([events[9:], events[:9]], [events[::-1]]):
        with pytest.raises(InputError, match="ts_recv falls"):
            write_events(tmp_path / "e.parquet", instruments, wrong)
    with pytest.raises(InputError, match="the table holds 1"):
        write_events(tmp_path / "e.parquet", instruments[:1], [events])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("change", ["{", "[]", '{"format": 1}', '{"format": 9, "instruments": ""}'])
def test_a_foreign_table_is_refused(tmp_path, change):
    path = tmp_path / "e.parquet"
    schema = pa.schema([("ts_recv", pa.int64())], metadata={KEY: change.encode()})
    pq.write_table(pa.table({"ts_recv": [1]}, schema), path)
    with pytest.raises(InputError, match=r"e.parquet: (damaged instrument|format 9)"):
        Recorded(path)


def test_a_table_changed_by_hand_is_refused(recording):
    table = pq.read_table(recording)
    said = json.loads(table.schema.metadata[KEY])
    said["instruments"] = said["instruments"].replace("toy", "boy")
    pq.write_table(table.replace_schema_metadata({KEY: json.dumps(said)}), recording)
    with pytest.raises(InputError, match="damaged instrument table"):
        Recorded(recording)


def test_other_columns_are_refused(recording):
    table = pq.read_table(recording)
    pq.write_table(table.drop(["pad"]), recording)
    with pytest.raises(InputError, match="damaged columns"):
        list(Recorded(recording))


def test_groups_that_go_back_are_refused(recording, events):
    table = pq.read_table(recording)
    pq.write_table(pa.concat_tables([table, table]), recording, row_group_size=len(events))
    with pytest.raises(InputError, match="falls at row group 1"):
        list(Recorded(recording))


def test_a_flipped_bit_is_never_read_as_another_event(recording, events):
    """Refused, or in a place that carries nothing: the events are the same or there are none."""
    data, rng, refused = recording.read_bytes(), np.random.default_rng(0), 0
    for at in rng.integers(len(data), size=100):
        wrong = bytearray(data)
        wrong[at] ^= 1 << int(rng.integers(8))
        try:
            found = np.concatenate(list(Recorded(damaged(recording, bytes(wrong)))))
        except InputError as error:
            assert str(recording) in str(error)
            refused += 1
        else:
            assert found.tobytes() == events.tobytes()
    assert refused > 80
