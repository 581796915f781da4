import pytest

from flowsense.errors import InputError
from flowsense.features.catalogue import DEFAULT, MORE, described, family, spec


def test_the_default_set_is_large_and_the_full_set_larger():
    assert 100 <= len(spec().columns) <= 150 < len(spec(DEFAULT + MORE).columns)


def test_every_column_says_what_it_is_and_every_family_whence():
    for column in described(spec(DEFAULT + MORE)):
        assert column.unit and column.formula
    for name in DEFAULT + MORE:
        assert any(year in (family(name).__doc__ or "") for year in ("19", "20")), name


def test_an_unknown_family_is_refused_with_those_known():
    with pytest.raises(InputError, match="family 'momentum': known are ofi, depth"):
        spec(("momentum",))


@pytest.mark.parametrize("depth", [0, 11])
def test_a_depth_that_no_row_holds_is_refused(depth):
    with pytest.raises(InputError, match=f"depth {depth}: give between 1 and 10"):
        spec(depth=depth)


def test_a_name_given_twice_is_refused():
    with pytest.raises(InputError, match="two families give the same name"):
        spec(("vpin", "vpin"))


def test_another_package_adds_a_family_by_entry_point(tmp_path, monkeypatch):
    info = tmp_path / "elsewhere-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[flowsense.features]\ntheirs = elsewhere_family\n")
    (tmp_path / "elsewhere_family.py").write_text("COLUMNS = ()\nVERSION = 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert spec(("theirs",)).versions == (("theirs", 7),)
