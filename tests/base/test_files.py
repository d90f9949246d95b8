import os

import pandas as pd
import pytest

from pipeline.base import files
from pipeline.base.errors import PipelineError
from pipeline.base.files import concatenate, read_manifest, replacing, shard_of, write_manifest

NAMES = ["0012", "NA", "nan", "None", "Ärnó", "a,b", 'c"d', "7"]


def table_of(folder, names=NAMES):
    paths = [folder / "audio" / f"{name}.wav" for name in names]
    return pd.DataFrame({"speaker": names, "path": paths, "s1_path": paths, "lufs": -30.5})


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_replacing_makes_folders_and_leaves_no_other_file(tmp_path):
    with replacing(tmp_path / "a/b/c.txt") as temporary:
        temporary.write_text("new")
        assert not (tmp_path / "a/b/c.txt").exists()
    assert (tmp_path / "a/b/c.txt").read_text() == "new"
    assert names_in(tmp_path / "a/b") == ["c.txt"]


def test_an_exception_leaves_the_old_file(tmp_path):
    (tmp_path / "c.txt").write_text("old")
    with pytest.raises(KeyError), replacing(tmp_path / "c.txt") as temporary:
        temporary.write_text("half")
        raise KeyError
    assert (tmp_path / "c.txt").read_text() == "old"
    assert names_in(tmp_path) == ["c.txt"]


def test_a_full_disk_names_the_file_and_leaves_the_old_one(tmp_path):
    files.write_text(tmp_path / "c.txt", "old")
    (tmp_path / f".c.txt.{os.getpid()}.part").symlink_to("/dev/full")
    with pytest.raises(OSError) as error:
        files.write_text(tmp_path / "c.txt", "new")
    assert error.value.filename == str(tmp_path / "c.txt")
    assert (tmp_path / "c.txt").read_text() == "old"


def test_json_keeps_every_letter(tmp_path):
    value = {"ключ": ["é", 1, 2.5, None, True]}
    files.write_json(tmp_path / "a.json", value)
    assert files.read_json(tmp_path / "a.json") == value
    assert "ключ" in (tmp_path / "a.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("letter, shown", [("|", "|"), ("\r", r"\r"), ("\udce9", r"\udce9")])
def test_a_path_that_a_manifest_cannot_hold_is_refused(tmp_path, letter, shown):
    file, folder = tmp_path / f"a{letter}b.wav", tmp_path / f"c{letter}d"
    for path, culprit in [(tmp_path, file), (folder, folder)]:
        path.mkdir(exist_ok=True)
        with pytest.raises(PipelineError) as error:
            write_manifest(path / "m.csv", pd.DataFrame({"path": [file]}))
        named = str(culprit).replace(letter, shown)
        assert str(error.value) == f"{named}: has a {shown} in its name; rename that file or folder"
        assert not (path / "m.csv").exists()
    renamed = folder.rename(tmp_path / "renamed")
    write_manifest(renamed / "m.csv", pd.DataFrame({"path": [tmp_path / "ab.wav"]}))


def assert_made_again(manifest):
    """Delete a manifest and join it again, like the job that makes it."""
    write_manifest(manifest.with_name("shard.csv"), table_of(manifest.parent))
    manifest.unlink(missing_ok=True)
    concatenate([manifest.with_name("shard.csv")], manifest)
    assert len(read_manifest(manifest)) == len(NAMES)


@pytest.mark.parametrize("content", [b"\x80", b'a,b\n"1', b"a,b\n1,2,3,4\n1,2\n1,2,3,4,5\n"])
def test_a_file_that_is_not_a_manifest_is_refused(tmp_path, content):
    (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(PipelineError, match=r"m\.csv: is not a manifest; delete it and run again"):
        read_manifest(tmp_path / "m.csv")
    assert_made_again(tmp_path / "m.csv")


def test_a_manifest_is_read_as_it_was_written(tmp_path):
    table = table_of(tmp_path)
    write_manifest(tmp_path / "m.csv", table)
    again = read_manifest(tmp_path / "m.csv")
    assert list(again["speaker"]) == NAMES
    assert list(again["path"]) == list(again["s1_path"]) == [str(path) for path in table["path"]]
    assert list(again["lufs"]) == [-30.5] * len(NAMES)


@pytest.mark.parametrize(
    "column",
    [
        "speaker",
        "utterance",
        "mixture_id",
        "noise",
        "source_1_speaker",
        "s1_utterance",
        "name",
        "name_a",
    ],
)
def test_names_of_digits_stay_text(tmp_path, column):
    write_manifest(tmp_path / "m.csv", pd.DataFrame({column: ["0012", "7"]}))
    assert list(read_manifest(tmp_path / "m.csv")[column]) == ["0012", "7"]


def test_a_missing_value_stays_missing(tmp_path):
    table = pd.DataFrame({"path": [tmp_path / "a.wav", None], "lufs": [None, -20.0]})
    write_manifest(tmp_path / "m.csv", table)
    again = read_manifest(tmp_path / "m.csv")
    assert again["path"].isna().tolist() == [False, True]
    assert again["lufs"].isna().tolist() == [True, False]


def test_the_results_folder_can_be_moved(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    write_manifest(old / "manifests/m.csv", table_of(old))
    assert str(tmp_path) not in (old / "manifests/m.csv").read_text(encoding="utf-8")
    old.rename(new)
    expected = [str(path) for path in table_of(new)["path"]]
    assert list(read_manifest(new / "manifests/m.csv")["path"]) == expected


def test_files_outside_a_run_s_folder_do_not_move_with_it(tmp_path):
    run, corpus = tmp_path / "run", tmp_path / "corpus"
    write_manifest(run / "results/scan/m.csv", table_of(corpus))
    write_manifest(run / "results/scan/ours.csv", table_of(run / "data"))
    (tmp_path / "far/away").mkdir(parents=True)
    run = run.rename(tmp_path / "far/away/run")
    for name, folder in {"m": corpus, "ours": run / "data"}.items():
        expected = [str(path) for path in table_of(folder)["path"]]
        assert list(read_manifest(run / f"results/scan/{name}.csv")["path"]) == expected


def test_results_behind_a_link_move_with_their_contents(tmp_path):
    (tmp_path / "scratch").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run/results").symlink_to(tmp_path / "scratch")
    write_manifest(tmp_path / "run/results/m.csv", table_of(tmp_path / "run/results/audio"))
    text = (tmp_path / "scratch/m.csv").read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    write_manifest(tmp_path / "run/results/m.csv", table_of(tmp_path / "run/data"))
    assert str(tmp_path / "run/data") in (tmp_path / "scratch/m.csv").read_text(encoding="utf-8")


def test_relative_paths_start_at_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_manifest("results/m.csv", pd.DataFrame({"path": ["audio/a.wav"]}))
    assert read_manifest("results/m.csv")["path"].item() == str(tmp_path / "audio/a.wav")


def test_concatenate_keeps_order_and_moves_paths(tmp_path):
    shards = [tmp_path / f"shards/{k}/index.csv" for k in (1, 2, 3)]
    for shard, names in zip(shards, (NAMES[:3], [], NAMES[3:]), strict=True):
        write_manifest(shard, table_of(tmp_path, names))
    concatenate(shards, tmp_path / "all.csv")
    write_manifest(tmp_path / "expected.csv", table_of(tmp_path))
    assert (tmp_path / "all.csv").read_bytes() == (tmp_path / "expected.csv").read_bytes()


def test_a_shard_without_rows_keeps_its_columns(tmp_path):
    write_manifest(tmp_path / "m.csv", table_of(tmp_path, []))
    again = read_manifest(tmp_path / "m.csv")
    assert len(again) == 0
    assert list(again.columns) == ["speaker", "path", "s1_path", "lufs"]


@pytest.mark.parametrize(
    "content, cause",
    [
        (None, "no such manifest; run the same command again"),
        ("", "is empty; delete it and run again"),
    ],
)
def test_a_manifest_that_is_not_there_is_named(tmp_path, content, cause):
    path = tmp_path / "m.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(PipelineError) as error:
        read_manifest(path)
    assert str(error.value) == f"{path}: {cause}"
    assert_made_again(path)


@pytest.mark.parametrize("rows", [0, 1, 2, 7, 30, 101])
@pytest.mark.parametrize("count", [1, 2, 3, 7, 16, 101])
def test_shards_hold_every_row_once(rows, count):
    table = pd.DataFrame({"row": range(rows)})
    shards = [shard_of(table, f"{k}-of-{count}") for k in range(1, count + 1)]
    assert [row for shard in shards for row in shard["row"]] == list(range(rows))
    sizes = [len(shard) for shard in shards]
    assert max(sizes) - min(sizes) <= 1
