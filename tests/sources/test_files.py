"""Blocks of whole lines, whatever compressed them."""

import bz2
import gzip
import lzma
import os
from functools import cache, partial

import pyarrow as pa
import pytest

from flowsense.errors import InputError
from flowsense.sources.files import LONGEST, READ, Block, bare_name, blocks, head

TEXT = b"".join(b"%d,some text\n" % i for i in range(100_000))  # more than one read
COMPRESS = {
    ".zst": cache(lambda data: pa.Codec("zstd").compress(data, asbytes=True)),
    ".gz": cache(partial(gzip.compress, compresslevel=1)),
    ".bz2": cache(partial(bz2.compress, compresslevel=1)),
    ".xz": cache(partial(lzma.compress, preset=0)),
}
suffixes = pytest.mark.parametrize("suffix", COMPRESS)


def write(folder, data, suffix=""):
    path = folder / f"name.csv{suffix}"
    path.write_bytes(data)
    return path


def test_blocks_have_so_many_lines_and_know_the_first(tmp_path):
    path = write(tmp_path, b"a\nb\n\nd\ne")
    assert list(blocks(path, 2)) == [Block(1, b"a\nb\n"), Block(3, b"\nd\n"), Block(5, b"e")]
    assert list(blocks(path, 9)) == [Block(1, b"a\nb\n\nd\ne")]
    assert list(blocks(write(tmp_path, b"a\nb\n"), 2)) == [Block(1, b"a\nb\n")]


@pytest.mark.parametrize("lines", [1_000, 99_999, 7])
def test_blocks_reach_over_reads_without_loss(tmp_path, lines):
    assert len(TEXT) > READ
    got = list(blocks(write(tmp_path, TEXT), lines))
    assert b"".join(block.data for block in got) == TEXT
    assert [block.first for block in got] == list(range(1, 100_001, lines))
    assert {block.data.count(b"\n") for block in got[:-1]} == {lines}


@suffixes
@pytest.mark.parametrize("parts", [1, 2])
def test_compressed_text_is_the_same_text_even_in_several_parts(tmp_path, suffix, parts):
    half = len(TEXT) // parts
    data = b"".join(COMPRESS[suffix](TEXT[i * half : (i + 1) * half]) for i in range(parts))
    path = write(tmp_path, data, suffix)
    assert b"".join(block.data for block in blocks(path)) == TEXT[: half * parts]
    assert head(path, 10) == TEXT[:10]
    assert bare_name(path) == bare_name(path.with_suffix("")) == "name.csv"


@suffixes
@pytest.mark.parametrize(
    "harm", ["cut in the middle", "cut at the end", "damaged", "not it at all"]
)
def test_a_harmed_compression_is_refused_by_name(tmp_path, suffix, harm):
    data = COMPRESS[suffix](TEXT)
    middle = len(data) // 2
    at = 6 if suffix == ".zst" else middle  # its blocks have no checksum here, its header has rules
    harmed = {
        "cut in the middle": data[:middle],
        "cut at the end": data[:-3],
        "damaged": data[:at] + b"\xff\x00\xff" + data[at + 3 :],
        "not it at all": TEXT,
    }[harm]
    path = write(tmp_path, harmed, suffix)
    with pytest.raises(InputError, match=rf"name.csv{suffix}: its .* damaged or cut off: copy"):
        list(blocks(path))


@pytest.mark.parametrize("suffix", ["", *COMPRESS])
def test_an_empty_file_is_refused(tmp_path, suffix):
    path = write(tmp_path, COMPRESS.get(suffix, bytes)(b""), suffix)
    with pytest.raises(InputError, match=rf"name.csv{suffix}: is empty: copy"):
        list(blocks(path))
    assert head(path) == b""


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="is a folder: name a file in it"):
        list(blocks(tmp_path))
    with pytest.raises(InputError, match=r"none.csv: no such file: check the name"):
        list(blocks(tmp_path / "none.csv"))
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(InputError, match="loop: cannot be read"):
        list(blocks(loop))


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_that_may_not_be_read_is_refused(tmp_path):
    path = write(tmp_path, TEXT)
    path.chmod(0)
    with pytest.raises(InputError, match="may not be read: check its permissions"):
        list(blocks(path))


@pytest.mark.slow
def test_bytes_without_lines_do_not_fill_the_memory(tmp_path):
    path = write(tmp_path, gzip.compress(bytes(LONGEST + 2 * READ)), ".gz")
    with pytest.raises(InputError, match=r"line 1 is longer than .* bytes: not lines of text"):
        list(blocks(path))
