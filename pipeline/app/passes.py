"""A loaded network over the tracks of a recording, whole pieces or as if it was still going on."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.audio import info
from pipeline.audio.encoding import encoding
from pipeline.audio.recordings import reading
from pipeline.base.errors import PipelineError

if TYPE_CHECKING:
    from pipeline.app.networks import Running

CHUNK = 0.02  # seconds that come in at once

Pass = tuple[Path, list[Path]]
"""A track, and a file for each of its estimates."""


def apply_to(running: "Running", tracks: list[Pass]) -> None:
    """Run a network over tracks as the workflow runs it over mixtures."""
    from pipeline.inference.apply import apply
    from pipeline.inference.chunks import Recording

    recordings = [
        Recording(track.name, str(track), info(track).samples, tuple(estimates))
        for track, estimates in tracks
    ]
    apply(running.estimator, recordings, running.setting, running.name)


def stream(running: "Running", tracks: list[Pass]) -> None:
    """Run a network over tracks in chunks, each estimated from the past alone.

    Raises:
        PipelineError: the network has no such form, or is not causal.
    """
    import torch

    if running.stream is None:
        raise PipelineError(
            f"{running.name}: cannot run on a signal that is still coming in; leave out --stream,"
            " or give a causal conv_tasnet or demucs as --model"
        )
    rate = running.setting.sample_rate
    form = running.stream(running.estimator.network)
    for track, paths in tracks:
        with ExitStack() as stack:
            writers = [stack.enter_context(encoding(path, rate, 1)) for path in paths]
            _, blocks = stack.enter_context(reading(track))
            chunks = (c for b in blocks for c in torch.from_numpy(b[:, 0]).split(int(CHUNK * rate)))
            for settled in (*map(form.push, chunks), form.finish()):
                for write, signal in zip(writers, settled, strict=True):
                    write(signal.numpy())
