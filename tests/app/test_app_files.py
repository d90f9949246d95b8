from pathlib import Path

import pytest

from pipeline.app.files import check_targets, find, stems
from pipeline.base.errors import PipelineError


@pytest.fixture
def tree(tmp_path, monkeypatch):
    for name in ("a/x.wav", "a/deep/y.flac", "b/x.wav", "b/x.mp3", "b/notes.txt", "b/.h.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def paths(found, tree):
    return [str(each.path.relative_to(tree)) for each in found.inputs]


def test_folders_files_and_patterns(tree):
    assert paths(find(["a"]), tree) == ["a/deep/y.flac", "a/x.wav"]
    assert paths(find(["b/x.mp3", "a/**/*.flac"]), tree) == ["b/x.mp3", "a/deep/y.flac"]
    assert paths(find(["b"]), tree) == ["b/x.mp3", "b/x.wav"]


def test_each_recording_is_taken_once(tree):
    assert paths(find(["b/x.wav", "b", "./b/../b/x.wav"]), tree) == ["b/x.wav", "b/x.mp3"]


def test_a_name_with_the_characters_of_a_pattern_is_a_file(tree):
    (tree / "take[1].wav").touch()
    assert paths(find(["take[1].wav"]), tree) == ["take[1].wav"]


def test_files_of_earlier_runs_in_folders_are_counted(tree):
    for name in ("x.denoised.wav", "x.speaker-2.flac", "x.noise.wav"):
        (tree / "a" / name).touch()
    found = find(["a"])
    assert paths(found, tree) == ["a/deep/y.flac", "a/x.wav"] and found.left_out == 3
    assert paths(find(["a/x.noise.wav"]), tree) == ["a/x.noise.wav"]  # by its name it is meant


def test_outputs_keep_the_tree_of_a_folder(tree):
    found = find(["a"]).inputs
    assert stems(found, Path("out")) == [tree / "out/deep/y", tree / "out/x"]
    assert stems(found, None) == [tree / "a/deep/y", tree / "a/x"]


def test_equal_names_never_collide(tree):
    found = find(["a/x.wav", "b/x.wav", "b/x.mp3"]).inputs
    names = stems(found, Path("out"))
    assert len(set(names)) == 3 and all(tree / "out" in name.parents for name in names)
    assert names[2] == tree / "out/x.mp3"
    assert stems(find(["b"]).inputs, None) == [tree / "b/x.mp3", tree / "b/x.wav"]


def test_names_without_recordings_are_told(tree):
    (tree / "empty").mkdir()
    found = find(["empty", "*.ogg", "b/x.wav"])
    assert paths(found, tree) == ["b/x.wav"]
    assert found.errors == [
        "empty: holds no recordings; check the folder",
        "*.ogg: no file has such a name; check the pattern",
    ]


def test_what_is_there_is_not_written_over(tree):
    with pytest.raises(PipelineError, match="is there already"):
        check_targets([tree / "new.wav", tree / "a/x.wav"], [], overwrite=False)
    check_targets([tree / "a/x.wav"], [], overwrite=True)


def test_an_input_is_never_written_over(tree):
    with pytest.raises(PipelineError, match="is an input of this call"):
        check_targets([tree / "a/x.wav"], find(["a"]).inputs, overwrite=True)


def test_odd_names(tree):
    """A name that is all suffix, one that is too long, and a link to itself."""
    (tree / "..wav").touch()
    (tree / "loop.wav").symlink_to("loop.wav")
    found = find(["..wav", "loop.wav", "x" * 300 + ".wav", "b/x.wav"])
    assert stems(found.inputs, None) == [tree / "..wav", tree / "b/x"]
    assert len(found.errors) == 2 and all("cannot be a file" in line for line in found.errors)
