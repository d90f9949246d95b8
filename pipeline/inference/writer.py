"""Files of estimates, written as their pieces are settled."""

from contextlib import ExitStack
from typing import Any

from pipeline import audio
from pipeline.base.files import digest_of
from pipeline.inference.chunks import Piece


class Writer:
    """Writes recordings one after another, 32-bit float, each file whole or not at all.

    Leave it with the error that ended the loop: what is unfinished is then removed.
    """

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate, self._open = sample_rate, ExitStack()
        self.digests: dict[str, str] = {}  # of the sources of each mixture that is written

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.__exit__(*error)

    def write(self, piece: Piece, parts: list[audio.Samples]) -> None:
        """Write parts `[sources, time]` that are settled once this piece is known."""
        recording = piece.recording
        if not piece.start:
            self._sources = [
                self._open.enter_context(audio.writing(path, recording.samples, self._sample_rate))
                for path in recording.targets
            ]
        for part in parts:
            written = [write(source) for write, source in zip(self._sources, part, strict=True)]
        if piece.last:
            self.digests[recording.mixture_id] = digest_of("".join(written).encode())
            self._open.close()
