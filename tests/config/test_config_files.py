import json

import pytest

from pipeline.base.errors import PipelineError
from pipeline.config.files import check_files, read_file


def refused(files, arguments=()):
    with pytest.raises(PipelineError) as error:
        check_files(files, arguments)
    return str(error.value)


@pytest.mark.parametrize(
    "text, key, lines",
    [
        ("training: {epochs: 3}\nseed: 1\ntraining: {batch_size: 2}\n", "training", (1, 3)),
        ("training:\n  epochs: 3\n  batch_size: 2\n  'epochs': 4\n", "training.epochs", (2, 4)),
        ("mixtures: {mode: min,\n  mode: max}\n", "mixtures.mode", (1, 2)),
        ("# a list\nx:\n- {y: 1}\n- y: 1\n  y: 2\n", "x.y", (4, 5)),
        ('{"seed": 1,\n\t"shards": 2,\n\t"seed": 1}', "seed", (1, 3)),  # JSON
        ("a: 1\nb: 1\nb: 2\na: 2\n", "b", (2, 3)),  # the first of several
    ],
)
def test_a_key_that_occurs_twice_is_named_with_its_lines(tmp_path, text, key, lines):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    first, second = lines
    assert refused([path]) == (
        f"config: {path}: {key} stands twice, in lines {first} and {second}; put what belongs to"
        " it under one of them"
    )


@pytest.mark.parametrize(
    "text",
    [
        "training: {epochs: 3}\ndenoisers: {a: {training: {epochs: 3}}}\n",
        "base: &base {x: 1}\nother: &other {y: 1}\none:\n  <<: *base\n  <<: *other\n  x: 2\n",
        "one: &one {x: 1}\ntwo: *one\nthree: *one\n",
        "1: a\n'1': b\n",
        "",
        "a: [",  # Snakemake says so
        json.dumps({"a": {"b": 1}, "b": {"a": 1}}, indent="\t"),
    ],
)
def test_other_texts_pass(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    check_files([path, tmp_path / "none.yaml", tmp_path])


def test_the_option_config_is_checked_too():
    line = refused([], ["seed=1", "training={epochs: 3, epochs: 4}"])
    assert line == "config: --config training: epochs stands twice; name it once"
    check_files([], ["training={epochs: 3}", "training={batch_size: 4}", "report={title: 'a: b'}"])


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_file_in_another_encoding_is_named(tmp_path, encoding):
    path = tmp_path / "mine.yaml"
    path.write_text("report: {title: café}\n", encoding=encoding)
    line = f"config: {path}: is not UTF-8 text; save it as UTF-8"
    assert refused([path]) == line
    path.write_text("report: {title: café}\n", encoding="utf-8")  # as the line says
    check_files([path])
    assert read_file(path) == {"report": {"title": "café"}}


def test_a_file_that_is_not_a_mapping_has_no_keys(tmp_path):
    path = tmp_path / "mine.yaml"
    assert read_file(path) == {}
    for text in ("", "- a", "a: [", "text"):
        path.write_text(text, encoding="utf-8")
        assert read_file(path) == {}
