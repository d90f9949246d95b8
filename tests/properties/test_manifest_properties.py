"""Manifests: any table with any names is read back, and no bytes crash a reader."""

import shutil
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import PipelineError
from pipeline.base.files import concatenate, read_manifest, shard_bounds, write_manifest

TEXT = ["speaker", "mixture_id", "noise", "source_1_utterance", "transcript", "subset"]
TEXT += ["name", "trained", "tested_a"]  # a model may be called 0012
odd = ["NA", "nan", "None", "0012", "1e5", "True", "a,b", 'c"d', "'", " x ", "\n", "#", "é", "é"]
letters = st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r")
texts = st.one_of(st.sampled_from(odd), st.text(letters, min_size=1, max_size=12))
part = st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r/|")
parts = st.text(part, min_size=1, max_size=20)
names = st.one_of(st.sampled_from([*odd, "...", ".x", "-", "a b"]), parts)
paths = st.lists(names.filter(lambda n: n not in (".", "..")), min_size=1, max_size=3)
floats = st.floats(allow_nan=False)
ints = st.integers(-(2**63), 2**63 - 1)


def typed(draw, rows):
    """A table of `rows` rows, with one or two columns of each type."""
    fill = lambda values: draw(st.lists(values, min_size=rows, max_size=rows))  # noqa: E731
    table = {name: fill(texts) for name in draw(st.lists(st.sampled_from(TEXT), unique=True))}
    return pd.DataFrame(table | {"gain": fill(floats), "length": fill(ints), "path": fill(paths)})


tables = st.composite(lambda draw: typed(draw, draw(st.integers(1, 5))))()


@pytest.fixture
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("manifests")


def placed(table, folder):
    return table.assign(path=[folder.joinpath(*parts) for parts in table["path"]])


def assert_same(again, table, folder):
    expected = placed(table, folder).astype({"path": str})
    assert list(again.columns) == list(expected.columns)
    for column in expected:
        assert again[column].tolist() == expected[column].tolist(), column


@given(tables, names.filter(lambda n: n not in (".", "..")))
def test_a_table_comes_back_and_moves_with_its_folder(folder, table, name):
    old, new = folder / "old" / name, folder / "new"
    for leftover in (folder / "old", new):
        shutil.rmtree(leftover, ignore_errors=True)
    write_manifest(old / "m.csv", placed(table, old))
    assert_same(read_manifest(old / "m.csv"), table, old)
    old.rename(new)
    assert_same(read_manifest(new / "m.csv"), table, new)


@given(st.integers(0, 10**6), st.integers(1, 1000))
def test_shards_are_a_partition(items, shards):
    bounds = [shard_bounds(items, k, shards) for k in range(shards)]
    assert bounds[0][0] == 0 and bounds[-1][1] == items
    assert all(end == begin for (_, end), (begin, _) in pairwise(bounds))
    sizes = {end - begin for begin, end in bounds}
    assert max(sizes) - min(sizes) <= 1


@given(tables, st.integers(1, 4))
def test_shards_joined_are_the_whole(folder, table, shards):
    for k in range(shards):
        bounds = slice(*shard_bounds(len(table), k, shards))
        write_manifest(folder / f"shard {k}/m.csv", placed(table.iloc[bounds], folder))
    concatenate([folder / f"shard {k}/m.csv" for k in range(shards)], folder / "all.csv")
    write_manifest(folder / "whole.csv", placed(table, folder))
    assert (folder / "all.csv").read_bytes() == (folder / "whole.csv").read_bytes()
    assert_same(read_manifest(folder / "all.csv"), table, folder)


@given(paths, paths)
def test_a_bar_in_a_path_is_refused(folder, before, after):
    path = folder.joinpath(*before, "a|b", *after)
    with pytest.raises(PipelineError, match=r"has a \| in its name"):
        write_manifest(folder / "m.csv", pd.DataFrame({"path": [path]}))


def read_or_refused(path):
    try:
        read_manifest(path)
    except PipelineError as error:
        assert str(error).startswith(f"{path}: ") and len(str(error).splitlines()) == 1


@given(st.one_of(st.binary(), st.text().map(str.encode), st.text('a,\n"\r1;\x00').map(str.encode)))
def test_any_bytes_are_a_table_or_refused(folder, content):
    (folder / "any.csv").write_bytes(content)
    read_or_refused(folder / "any.csv")


@given(tables, st.data())
def test_a_damaged_manifest_is_a_table_or_refused(folder, table, data):
    write_manifest(folder / "m.csv", placed(table, folder))
    content = (folder / "m.csv").read_bytes()
    place = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(place, len(content)))
    piece = data.draw(st.binary(max_size=10))
    (folder / "m.csv").write_bytes(content[:place] + piece + content[end:])
    read_or_refused(folder / "m.csv")
