"""Several values behind one option."""

import pytest

from flowsense.cli.spread import gathered, parts


@pytest.mark.parametrize(
    ("args", "found"),
    [
        ("a b --out c", "a b --out c"),
        ("a --test b --out c", "a --test b --out c"),
        ("a --test b c --out d", "a --test b|c --out d"),
        ("a --test b c --test d e", "a --test b|c --test d|e"),
        ("--test=a b --dry-run", "--test a|b --dry-run"),
        ("--out=c --test a -", "--out=c --test a|-"),
        ("--test --out c", "--test --out c"),
        ("", ""),
    ],
)
def test_values_are_gathered_up_to_the_next_option(args, found):
    expected = [arg.replace("|", "\0") for arg in found.split()]
    assert list(gathered(args.split())) == expected


def test_parts_are_what_was_gathered():
    assert parts("a\0b") == ["a", "b"] and parts("a b") == ["a b"]
