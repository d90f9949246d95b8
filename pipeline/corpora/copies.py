"""Find files of a corpus that hold the same bytes under several names."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

from pipeline.base.provenance import sha256

HEAD = 4096  # bytes, in which nearly all files of one size differ


def find_copies(paths: list[Path], workers: int = 4) -> list[list[Path]]:
    """Return groups of files with the same content, or links to one file, in the order of `paths`.

    Only files of equal size are opened, and only those with the same beginning are read whole.

    Args:
        paths: files that can be read.
        workers: number of threads that read.
    """
    groups = [paths]
    with ThreadPoolExecutor(workers) as pool:
        for fact in (_size, _head, sha256):
            groups = [part for group in groups for part in _alike(group, fact, pool)]
    return groups


def _alike(
    paths: list[Path], fact: Callable[[Path], Hashable], pool: Executor
) -> Iterator[list[Path]]:
    """The paths that share a value of `fact` with others, in groups."""
    found = defaultdict(list)
    for path, value in zip(paths, pool.map(fact, paths), strict=True):
        found[value].append(path)
    return (group for group in found.values() if len(group) > 1)


def _size(path: Path) -> int:
    return path.stat().st_size


def _head(path: Path) -> bytes:
    with path.open("rb", 0) as file:
        return file.read(HEAD)
