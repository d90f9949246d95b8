"""Pieces of recordings joined, and their speakers kept."""

from pipeline.audio import Samples
from pipeline.inference.chunks import Joiner, Piece
from pipeline.inference.tracker.tracker import Tracker


class TrackingJoiner(Joiner):
    """Joins pieces as `Joiner`, which is right where somebody speaks, and tracks the result.

    Args:
        sample_rate: Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        self._sample_rate = sample_rate

    def join(self, piece: Piece, estimate: Samples) -> list[Samples]:
        """As `Joiner.join`; what is settled comes about 15 s later, or when a recording ends."""
        if not piece.start:
            self._tracker = Tracker(len(estimate), self._sample_rate)
        parts = [self._tracker.feed(part) for part in super().join(piece, estimate)]
        if piece.last:
            parts.append(self._tracker.finish())
        return [part for part in parts if part.size]
