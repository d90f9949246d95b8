import os
import shutil

from pipeline.corpora import copies
from pipeline.corpora.copies import find_copies


def test_files_of_equal_bytes_are_found_under_any_name(tmp_path):
    big, size = bytes(range(256)) * 40, 256 * 40
    contents = {
        "a": big,
        "b": big[:-1] + b"x",  # differs only at its end
        "c": b"x" + big[1:],
        "d": big + b"x",
        "e": b"",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    shutil.copy(tmp_path / "a", tmp_path / "z")
    os.link(tmp_path / "b", tmp_path / "y")
    (tmp_path / "x").symlink_to(tmp_path / "a")
    names = ["z", "y", "x", "a", "b", "c", "d", "e"]
    groups = find_copies([tmp_path / name for name in names])
    assert [[path.name for path in group] for group in groups] == [["z", "x", "a"], ["y", "b"]]
    assert size > copies.HEAD and find_copies([]) == []


def test_only_files_of_one_size_are_opened(tmp_path, monkeypatch):
    paths = [tmp_path / f"{n}" for n in range(1, 9)]
    for n, path in enumerate(paths, 1):
        path.write_bytes(bytes(min(n, 7)))
    opened = []
    head = copies._head
    monkeypatch.setattr(copies, "_head", lambda path: opened.append(path) or head(path))
    assert find_copies(paths) == [paths[6:]] and sorted(opened) == paths[6:]
