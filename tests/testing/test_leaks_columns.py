"""Ready-made columns: the planted are caught for what they are, their honest twins are not."""

import numpy as np
import polars as pl
import pytest
from plants import each, filtered, later, on_unit, scaled, smoothed, viterbi

from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.features.fold import Replay, join
from flowsense.testing.leaks.columns import Causal, affine, check_columns, lagged, orthonormal
from flowsense.testing.leaks.market import market
from flowsense.testing.leaks.run import every_family, judge_table
from flowsense.testing.leaks.table import Table, beside, load

pytestmark = [pytest.mark.compiled, pytest.mark.slow]

FAMILIES = ("ofi", "depth", "volatility", "flow", "bars")
KINDS = ("observed:mood", "observed:news_sentiment")


class Material:
    """Rows every 100 ms of a market, and what the checker holds them against."""

    def __init__(self, made, families):
        self.made, self.spec = made, spec((*families, *KINDS))
        self.rows = join([tape.rows[0] for tape in Replay(self.spec, made)])
        self.X = np.where(self.rows.valid, self.rows.X, np.nan).astype(float)
        self.who, self.mid = self.rows.instrument, self.rows.quote["mid2"] / 2
        self.beside = beside(self.table(none=self.mid), made, families)

    def __getitem__(self, name):
        return self.X[:, self.spec.columns.index(name)]

    def each(self, function, x):
        return each(function, x, self.who)

    def joined(self, name, k=0):
        return [j for j in self.beside.joins if j.name == name][k]

    def table(self, **columns):
        X = np.stack(list(columns.values()), axis=1)
        return Table(self.rows.ts, self.who, tuple(columns), X)

    def leaks(self, **columns):
        found = check_columns(self.table(**columns), self.beside)
        return {(one.what, one.check): one.why for one in found if one.leaks}

    @property
    def moves(self):
        return self.each(lambda x: np.diff(x, prepend=x[:1]), self.mid)


@pytest.fixture(scope="module")
def made(simulated):
    return Material(simulated, FAMILIES)


def planted(m):
    """Each column, and the check and the words by which it must be caught."""
    imbalance = m["imb_l1"]
    return {
        "whole_tape": (scaled(imbalance), "scale", "over all 8997 rows: row 0 knows them"),
        "whole_range": (on_unit(m["ofi_l1_1s"]), "scale", "is ofi_l1_1s on 0 to 1 by its range"),
        "whole_price": (on_unit(m.mid), "scale", "is mid on 0 to 1 by its range"),
        "centred": (
            m.each(lambda x: smoothed(x, 5, 5), m.mid) * 0.01,
            *("ahead", "with the move over the next 5 rows"),
        ),
        "centred_wide": (m.each(lambda x: smoothed(x, 50, 50), m.mid), "ahead", "with the move"),
        "centred_queue": (
            m.each(lambda x: smoothed(x, 5, 5), imbalance),
            *("rebuilt", "is imb_l1 1 to 20 rows later"),
        ),
        "shifted": (m.each(lambda x: later(x, 3), imbalance), "rebuilt", "is imb_l1 1 to 20 rows"),
        "viterbi": (m.each(viterbi, m.moves), "ahead", "with the size of the move over the next"),
        "label": (
            m.each(lambda x: np.sign(later(x, 10) - x), m.mid),
            *("ahead", "with the move over the next 10 rows"),
        ),
        "open_bar": (
            m.joined("move of a bar").wrong * 0.01,
            *("joined", "is the move of a bar joined as the bar that is still open"),
        ),
        "late": (m.joined("mood").wrong, "joined", "mood joined as the value by the time it"),
        "revised": (m.joined("mood", 1).wrong, "joined", "mood joined as the last revision by"),
    }


def honest(m):
    """The same ideas, each done with the past alone."""
    rng = np.random.default_rng(0)
    imbalance, n = m["imb_l1"], len(m.mid)
    seen = m.each(lambda x: np.cumsum(np.nan_to_num(x)) / np.arange(1, len(x) + 1), imbalance)
    return {
        "expanding": imbalance - seen,
        "early_scale": (imbalance - np.nanmean(imbalance[:900])) / np.nanstd(imbalance[:900]),
        "trailing": m.each(lambda x: smoothed(x, 10, 0), m.mid) * 0.01,
        "trailing_queue": m.each(lambda x: smoothed(x, 10, 0), imbalance),
        "filter": m.each(filtered, m.moves),
        "curved": np.log1p(np.abs(m["ofi_l1_1s"])) * np.sign(imbalance),
        "closed_bar": m.joined("move of a bar").known * 0.01,
        "known": m.joined("mood").known,
        "noise": rng.normal(size=n),
        "walk": rng.normal(size=n).cumsum(),
        "side": (np.nan_to_num(imbalance) > 0).astype(float),
        "still": np.ones(n),
    }


def test_planted_columns_are_caught_and_told_apart(made):
    plants = planted(made)
    found = made.leaks(**{name: x for name, (x, _, _) in plants.items()})
    for name, (_, check, words) in plants.items():
        assert words in found[name, check], name


def test_their_honest_twins_pass(made):
    assert not made.leaks(**honest(made))


def test_a_wrong_join_is_told_with_the_row_and_both_values(made):
    join = made.joined("mood")
    why = made.leaks(late=join.wrong)["late", "joined"]
    row = int(why.split("row ")[1].split(",")[0])
    assert f"{join.wrong[row]:.6g}" in why and f"known at the row was {join.known[row]:.6g}" in why
    assert f"known at {join.told[row]} only" in why and join.told[row] > made.rows.ts[row]


def test_what_is_known_of_a_kind_is_the_column_of_the_driver(made):
    for kind in ("mood", "news_sentiment"):
        ours, theirs = made.joined(kind).known.astype(np.float32), made[kind]
        same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
        assert same.all()


def test_a_side_a_minute_ahead_that_no_honest_forecast_tells_is_an_alarm(made):
    ts = np.arange(400) * 60_000_000_000
    rng = np.random.default_rng(1)
    mid = 10_000.0 + rng.choice((-1, 1), 400).cumsum()
    x = np.where(rng.random(400) < 0.8, later(mid, 1) - mid, mid - later(mid, 1))
    table = Table(ts, np.zeros(400, np.int64), ("x", "y"), np.stack([x, rng.normal(size=400)], 1))
    none = np.zeros((400, 0))
    of = made.beside.__class__((), np.zeros(0, np.bool_), none, mid, ())
    found = {(one.what, one.check) for one in check_columns(table, of) if one.leaks}
    assert ("x", "accuracy") in found and not any(what == "y" for what, _ in found)


def test_rows_off_any_grid_are_held_against_the_last_whole_book(made):
    ts, who = made.rows.ts[::3] + 123_457, made.who[::3]
    order = np.argsort(ts, kind="stable")
    table = Table(ts[order], who[order], ("x",), made.mid[::3, None][order])
    of = beside(table, made.made, ("depth",))
    assert of.C.shape == (len(ts), len(of.names))
    at = of.names.index("imb_l1")
    assert np.nanmean(np.abs(of.C[:, at] - made["imb_l1"][::3][order]) < 1e-6) > 0.97


def test_parts_of_the_checks_are_what_they_say():
    x, who = np.arange(6.0), np.array([0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(lagged(x, who, 1), [np.nan, 0, 1, np.nan, 3, 4])
    np.testing.assert_array_equal(lagged(x, who, -2), [2, np.nan, np.nan, 5, np.nan, np.nan])
    many = np.random.default_rng(0).normal(size=(300, 2))
    assert affine(many[:, 0], 3 - 2 * many[:, 0]) < 1e-12 and affine(many[:, 0], many[:, 1]) > 0.9
    assert affine(many[:5, 0], many[:5, 0]) == 1.0
    basis = orthonormal(np.column_stack([many, many.sum(axis=1), np.zeros(300)]))
    assert basis.shape == (300, 2) and np.allclose(basis.T @ basis, np.eye(2))
    assert orthonormal(np.zeros((4, 2))).shape == (4, 0) and Causal.__doc__


@pytest.fixture
def written(tmp_path):
    def write(**columns):
        path = tmp_path / "features.parquet"
        pl.DataFrame(columns).write_parquet(path)
        return path

    return write


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"x": [1.0]}, "column 'ts' is missing"),
        ({"ts": ["a"], "x": [1.0]}, "column 'ts' holds no times"),
        ({"ts": [1, None], "x": [1.0, 2.0]}, "column 'ts' is blank in 1 of 2 rows"),
        ({"ts": [1], "x": [1.0]}, "column 'instrument' is missing"),
        ({"ts": [1], "instrument": ["Q"], "x": [1.0]}, "row 1: instrument 'Q': the prices are of"),
        ({"ts": [1], "instrument": ["SIMA"]}, "holds no column of numbers"),
    ],
)
def test_tables_that_cannot_be_judged_are_refused(columns, said, written, simulated):
    with pytest.raises(InputError, match=said):
        load(written(**columns), simulated.instruments)


def test_files_that_are_no_tables_are_refused(tmp_path, simulated):
    with pytest.raises(InputError, match="no such file"):
        load(tmp_path / "none.parquet", simulated.instruments)
    (tmp_path / "bad.parquet").write_text("no")
    with pytest.raises(InputError, match="is not a readable Parquet file"):
        load(tmp_path / "bad.parquet", simulated.instruments)


def test_a_file_is_judged_in_order_of_time(made, written):
    names = np.array([i.symbol for i in made.made.instruments])[made.who]
    x, order = scaled(made["imb_l1"]), np.random.default_rng(0).permutation(len(names))
    path = written(ts=made.rows.ts[order], instrument=names[order], x=x[order], y=made.mid[order])
    found = judge_table(path, made.made, ("depth",))
    assert [(one.what, one.check) for one in found if one.leaks] == [("x", "scale")]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_over_many_seeds_plants_are_caught_and_nothing_else_is(seed):
    m = Material(market(300.0, seed), every_family())
    assert not m.leaks(**dict(zip(m.spec.columns, m.X.T, strict=True)))
    assert not m.leaks(**honest(m))
    plants = planted(m)
    found = m.leaks(**{name: x for name, (x, _, _) in plants.items()})
    assert all((name, check) in found for name, (_, check, _) in plants.items())
