"""A loaded model over recordings: no manifest, no shard, no workflow."""

import numpy as np

from pipeline import audio
from pipeline.config import Inference, Machine
from pipeline.inference.apply import Setting, apply, load_model
from pipeline.inference.chunks import Recording

RATE = 8000


def test_a_model_runs_over_any_recordings(weights, tmp_path):
    recordings = []
    for name, samples in (("long", 20000), ("short", 900), ("one", 1)):
        noise = np.random.default_rng(samples).uniform(-0.1, 0.1, samples).astype(np.float32)
        audio.write(tmp_path / f"{name}.wav", noise, RATE, "FLOAT")
        targets = tuple(tmp_path / "out" / f"{name}.{k}.wav" for k in (1, 2))
        recordings.append(Recording(name, str(tmp_path / f"{name}.wav"), samples, targets))
    pieces = Inference(max_seconds=1.0, overlap_seconds=0.2)
    setting = Setting(RATE, Machine(device="cpu"), pieces, timed=False)
    applied = apply(load_model(weights(2), 2, setting), recordings, setting)
    assert applied.digests.keys() == {"long", "short", "one"}
    assert applied.facts["precision"] == "fp32" and applied.facts["batch_size"] == 1
    for recording in recordings:
        for target in recording.targets:
            assert len(audio.read_at(target, RATE)) == recording.samples
