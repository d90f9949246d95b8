import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scoring import dev_scores
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pipeline import audio
from pipeline.base.errors import PipelineError
from pipeline.losses.loss import aligned, best_neg_si_sdr
from pipeline.models.card import read_card
from pipeline.models.cost import multiply_adds
from pipeline.models.weights import load_network
from pipeline.tasks import TASKS
from pipeline.training.data import Recordings
from pipeline.training.module import DEV_SCORE, Trainee

COLUMNS = [
    "epoch",
    "step",
    "seconds",
    "train_loss",
    "dev_loss",
    "dev_si_sdri",
    "learning_rate",
    "skipped_steps",
]
STEPS = 6  # of an epoch
FROZEN = {"gradient_clip": 1e-30}  # Adam's steps vanish beside its epsilon of 1e-8


def equal(one, other):
    one, other = load_file(one.weights), load_file(other.weights)
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


@pytest.fixture(scope="module", params=["denoise", "separate"])
def trained(request, attempt, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    return attempt(folder, task=TASKS[request.param], epochs=8).run(track_every=3)


def test_history_has_a_row_an_epoch(trained):
    history = trained.history
    assert list(history) == COLUMNS
    assert history["epoch"].tolist() == list(range(1, 9))
    assert history["step"].tolist() == list(range(STEPS, 8 * STEPS + 1, STEPS))
    assert (history["learning_rate"] == 0.01).all()
    assert history["seconds"].is_monotonic_increasing and history["seconds"].iloc[0] > 0


def test_loss_falls_and_the_score_rises(trained):
    history = trained.history
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0] - 3
    assert history["dev_loss"].iloc[-1] < history["dev_loss"].iloc[0] - 1
    assert history["dev_si_sdri"].max() > {"denoise": 0.5, "separate": 4.0}[trained.job.task]


def test_card_tells_the_training(trained):
    card, history = read_card(trained.weights), trained.history
    assert card.training["licences"] == ["Corpus: CC BY 4.0"]
    best = history.loc[history["dev_si_sdri"].idxmax()]
    assert card.training["best"] == pytest.approx(dict(best))
    assert card.num_sources == {"denoise": 1, "separate": 2}[trained.job.task]
    assert card.training["steps"] == 8 * STEPS
    assert card.training["resumed_at"] == []
    assert card.training["settings"] == trained.job.training
    assert card.training["parameters"] == sum(
        t.numel() for t in load_file(trained.weights).values()
    )
    settings = trained.job.training
    # Of 22 segments the last batch has two.
    assert card.training["audio_seconds"] == 8 * 22 * settings["segment_seconds"]
    assert card.training["denoised_seconds"] == 0
    assert card.training["multiply_adds"] == multiply_adds(
        card.model, card.arguments, card.num_sources, card.sample_rate
    )


def test_weights_are_those_of_the_best_epoch(trained):
    best = read_card(trained.weights).training["best"]
    loss, gain = dev_scores(trained)
    assert loss == pytest.approx(best["dev_loss"], abs=1e-3)
    assert gain == pytest.approx(best["dev_si_sdri"], abs=1e-3)


def test_finished_training_leaves_no_state_to_resume(trained):
    assert not list(trained.state.glob("*.ckpt*"))


def test_averaged_weights_are_written_when_they_are_what_was_scored(attempt, tmp_path):
    averaged = attempt(tmp_path, ema_decay=0.9, epochs=2).run()
    best = read_card(averaged.weights).training["best"]
    assert dev_scores(averaged) == pytest.approx((best["dev_loss"], best["dev_si_sdri"]), abs=1e-3)


def test_averaged_weights_are_the_moving_average_of_all_steps(attempt, tmp_path, monkeypatch):
    steps = []

    def note(self, trainer, module, outputs, batch, index):
        steps.append({n: t.clone() for n, t in module.network.state_dict().items()})

    monkeypatch.setattr("pipeline.training.callbacks.StepLimit.on_train_batch_end", note)
    averaged = attempt(tmp_path, ema_decay=0.9, epochs=1, max_steps=99).run()
    assert len(steps) == STEPS
    for name, found in load_file(averaged.weights).items():
        expected = steps[0][name]
        for step in steps[1:]:
            expected = 0.9 * expected + 0.1 * step[name]
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
        assert not torch.equal(found, steps[-1][name])


def test_the_dev_score_is_the_gain_over_the_noisy_mixture_whatever_the_input_is(attempt, tmp_path):
    clean = attempt(tmp_path, condition="clean", epochs=1).run()
    best = read_card(clean.weights).training["best"]
    assert dev_scores(clean) == pytest.approx((best["dev_loss"], best["dev_si_sdri"]), abs=1e-3)


def test_no_bar_is_drawn_where_nobody_looks_and_each_epoch_is_a_line(
    attempt, tmp_path, capfd, caplog
):
    caplog.set_level("INFO")
    history = attempt(tmp_path, epochs=2).run().history
    said = [line for line in caplog.messages if line.startswith("epoch ")]
    rows = zip((1, 2), history["dev_si_sdri"], strict=True)
    assert said == [f"epoch {n}, step {6 * n}: dev_si_sdri {gain:.2f}" for n, gain in rows]
    assert "it/s" not in "".join(capfd.readouterr())


def test_tensorboard_has_curves_sounds_and_pictures(trained):
    events = EventAccumulator(str(trained.state / "tensorboard"), {"audio": 0}).Reload()
    tags = events.Tags()
    curves = {"train_loss", "dev_loss", "dev_si_sdri", "dev_stoi", "dev_pesq"}
    assert curves <= set(tags["scalars"])
    assert ("dev_snr" in tags["scalars"]) == (trained.job.task == "denoise")
    every_third = trained.history["step"][::3].tolist()
    assert [s.step + 1 for s in events.Scalars("dev_stoi")] == every_third
    kinds = ["mixture", "estimate_1", "reference_1"]
    if trained.job.task == "separate":
        kinds += ["estimate_2", "reference_2"]
    sounds = {f"dev_{index}/{kind}" for index in range(2) for kind in kinds}
    assert set(tags["audio"]) == sounds
    assert set(tags["images"]) == {f"{tag}_spectrogram" for tag in sounds}
    sound = events.Audio("dev_1/estimate_1")
    assert [s.step for s in sound] == every_third
    assert sound[0].sample_rate == 8000 and sound[0].length_frames == 9001


def test_a_dev_recording_is_kept_as_the_first_and_the_best_epoch_separate_it(trained):
    folder, sources = trained.folder / "samples", trained.examples[1].num_sources
    kinds = [f"{kind}_{k + 1}" for kind in ("reference", "first", "best") for k in range(sources)]
    signals = {path.stem: audio.read(path) for path in folder.iterdir()}
    assert sorted(signals) == sorted(["mixture", *kinds])
    for samples, rate in signals.values():
        assert (len(samples), rate) == (8000, 8000)  # the recording is shorter than an excerpt
        assert np.abs(samples).max() == pytest.approx(1, abs=1e-3)
    assert all(path.read_bytes()[:4] == b"fLaC" for path in folder.iterdir())
    first, best, references = (
        torch.from_numpy(np.stack([signals[f"{kind}_{k + 1}"][0] for k in range(sources)]))[None]
        for kind in ("first", "best", "reference")
    )
    gains = [best_neg_si_sdr(estimates, references) for estimates in (first, best)]
    assert gains[1] < gains[0]
    # They stand in the order of the references, whatever that of the network's outputs.
    assert torch.equal(aligned(best, references), best)
    inputs, targets, _ = (signal[None] for signal in Recordings(trained.examples[1])[0])
    network = load_network(trained.weights, sources, 8000)
    with torch.inference_mode():
        estimates = aligned(network(inputs), targets)[0]
    expected = estimates / estimates.abs().amax(1, keepdim=True)
    torch.testing.assert_close(best[0], expected, rtol=0, atol=1e-3)


def test_samples_of_an_earlier_training_are_removed(attempt, tmp_path):
    audio.write(tmp_path / "samples/best_9.flac", np.zeros(8, np.float32), 8000, format="FLAC")
    attempt(tmp_path, epochs=1).run()
    assert not (tmp_path / "samples/best_9.flac").exists()


def test_same_seed_gives_the_same_weights(attempt, tmp_path):
    runs = [attempt(tmp_path / str(k), max_steps=3).run() for k in range(2)]
    other = attempt(tmp_path / "other", max_steps=3)
    other.job = replace(other.job, seed=8)
    assert equal(*runs)
    assert not equal(runs[0], other.run())


def test_the_weights_that_a_training_begins_with_are_drawn_from_its_seed(attempt, tmp_path):
    runs = [attempt(tmp_path / str(k), epochs=1, **FROZEN) for k in range(2)]
    runs[1].job = replace(runs[1].job, seed=8)
    one, other = (load_file(run.run().weights)["encoder.filterbank._filters"] for run in runs)
    assert one.shape == other.shape and (one - other).abs().mean() > 0.01


def test_the_train_loss_of_an_epoch_is_the_mean_of_its_steps(attempt, tmp_path, monkeypatch):
    losses = []

    def note(self, trainer, module, outputs, batch, index):
        losses.append(float(module.latest_loss))

    monkeypatch.setattr("pipeline.training.callbacks.StepLimit.on_train_batch_end", note)
    history = attempt(tmp_path, epochs=2, max_steps=99).run().history
    expected = np.reshape(losses, (2, STEPS)).mean(axis=1)
    assert history["train_loss"].tolist() == pytest.approx(expected.tolist(), abs=1e-5)


@pytest.mark.parametrize("steps, epochs", [(3, 1), (6, 1), (8, 2)])
def test_max_steps_ends_with_a_score_and_weights(attempt, tmp_path, steps, epochs):
    limited = attempt(tmp_path, max_steps=steps).run()
    assert limited.history["epoch"].tolist() == list(range(1, epochs + 1))
    assert limited.history["step"].iloc[-1] == steps
    card = read_card(limited.weights)
    assert card.training["steps"] == steps
    best = card.training["best"]
    assert dev_scores(limited)[1] == pytest.approx(best["dev_si_sdri"], abs=1e-3)


def test_a_later_epoch_with_a_lower_score_leaves_the_best_weights(attempt, tmp_path, monkeypatch):
    first, log = attempt(tmp_path / "one", epochs=1).run(), Trainee.log_dict

    def log_less_each_epoch(module, scores, **options):
        if DEV_SCORE in scores:  # and not the terms of a loss
            scores = scores | {DEV_SCORE: scores[DEV_SCORE] * 0 - module.current_epoch}
        log(module, scores, **options)

    monkeypatch.setattr(Trainee, "log_dict", log_less_each_epoch)
    longer = attempt(tmp_path / "two", epochs=2).run()
    assert len(longer.history) == 2 and read_card(longer.weights).training["best"]["epoch"] == 1
    assert equal(longer, first)


def test_standing_still_halves_the_rate_and_stops(attempt, tmp_path):
    still = attempt(tmp_path, epochs=9, stop_patience=4, plateau_patience=1, **FROZEN).run()
    assert still.history["learning_rate"].tolist() == [0.01, 0.01, 0.01, 0.005, 0.005]
    assert read_card(still.weights).training["best"]["epoch"] == 1


def test_training_goes_on_from_given_weights(trained, attempt, tmp_path):
    tuned = attempt(tmp_path, task=TASKS[trained.job.task], epochs=1, **FROZEN)
    tuned.job = replace(tuned.job, init_from=str(trained.weights))
    assert equal(tuned.run(), trained)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_without_a_gpu_is_one_line(attempt, tmp_path):
    with pytest.raises(PipelineError, match="no GPU is seen; set it to auto or cpu") as error:
        attempt(tmp_path).run(device="cuda")
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_training_on_a_gpu(attempt, tmp_path, precision):
    run = attempt(tmp_path, precision=precision, epochs=2).run(device="cuda")
    assert read_card(run.weights).training["device"] == torch.cuda.get_device_name()
    assert run.history["train_loss"].iloc[1] < run.history["train_loss"].iloc[0]
    loss, gain = dev_scores(run)
    best = read_card(run.weights).training["best"]
    assert (loss, gain) == pytest.approx((best["dev_loss"], best["dev_si_sdri"]), abs=0.3)


@pytest.mark.parametrize("supported", [True, False])
def test_a_cpu_trains_in_bf16_where_it_has_it(attempt, tmp_path, monkeypatch, supported):
    monkeypatch.setattr("pipeline.models.devices.supports_bf16", lambda device: supported)
    given = {"model": ("tiger", {"features": 8, "hidden": 8, "blocks": 1}), "epochs": 2}
    exact = attempt(tmp_path / "fp32", **given).run()
    rounded = attempt(tmp_path / "bf16", precision="bf16", **given).run()
    assert equal(exact, rounded) is not supported
    weights = load_file(rounded.weights)
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}
    assert rounded.history["train_loss"].tolist() == pytest.approx(
        exact.history["train_loss"].tolist(), abs=0.1
    )


@pytest.fixture
def undefined_after(monkeypatch):
    """`undefined_after(epochs)`: after these, from 1, the dev score is NaN; the rest is real."""
    real = Trainee.validation_step

    def set_epochs(epochs):
        def step(self, batch, index):
            inputs, targets, noisy = batch
            factor = float("nan") if self.current_epoch + 1 in epochs else 1.0
            return real(self, (inputs, targets, noisy * factor), index)

        monkeypatch.setattr(Trainee, "validation_step", step)

    return set_epochs


def test_an_epoch_whose_score_is_nan_is_said_and_never_the_best(
    attempt, tmp_path, undefined_after, caplog
):
    undefined_after({1, 3})
    odd = attempt(tmp_path, epochs=4).run()
    assert odd.history["dev_si_sdri"].isna().tolist() == [True, False, True, False]
    said = [line for line in caplog.messages if "dev_si_sdri is nan" in line]
    assert said == [
        f"epoch {epoch}: dev_si_sdri is nan, so its weights are not the best" for epoch in (1, 3)
    ]
    best = read_card(odd.weights).training["best"]
    assert best["epoch"] in (2, 4)
    assert dev_scores(odd)[1] == pytest.approx(best["dev_si_sdri"], abs=1e-3)
    assert (tmp_path / "samples/best_1.flac").exists()


def test_a_model_that_is_worse_than_the_mixture_is_told(attempt, tmp_path, caplog):
    def told(name, **settings):
        caplog.clear()
        best = attempt(tmp_path / name, **settings).run().history["dev_si_sdri"].max()
        return best, [line for line in caplog.messages if "worse than the mixture" in line]

    best, lines = told("still", epochs=1, learning_rate=1e-9)
    assert best < 0 and len(lines) == 1 and f"dev_si_sdri {best:.1f} dB" in lines[0]
    assert told("learned", epochs=3)[1] == []


def test_a_training_without_any_finite_score_is_one_line_whose_cure_works(
    attempt, tmp_path, undefined_after
):
    undefined_after({1, 2})
    with pytest.raises(PipelineError) as error:
        attempt(tmp_path, epochs=2).run()
    assert str(error.value) == (
        "dev_si_sdri is NaN or infinite after every epoch (2 in all), so no weights are the best;"
        f" remove {tmp_path / 'state'} and lower training.learning_rate, or look for the cause in"
        " the dev mixtures"
    )
    assert not (tmp_path / "weights.safetensors").exists()
    undefined_after(())
    shutil.rmtree(tmp_path / "state")
    assert len(attempt(tmp_path, epochs=1, learning_rate=0.001).run().history) == 1


def test_the_noise_is_learned_as_a_further_output(attempt, tmp_path):
    with_noise = attempt(tmp_path, epochs=4)
    with_noise.job = replace(with_noise.job, noise_output=True)
    with_noise.run()
    assert with_noise.history["dev_si_sdri"].iloc[-1] > 1
    dev = with_noise.examples[1]
    network = load_network(with_noise.weights, dev.num_sources, dev.sample_rate)
    losses, noises = [], []
    for item in Recordings(dev):
        inputs, targets, _ = (signal[None] for signal in item)
        found = network(inputs)
        noise = (inputs - targets.sum(1))[:, None]
        assert torch.allclose(found.estimates.sum(1) + found.noise, inputs, atol=1e-5)
        own = best_neg_si_sdr(found.noise[:, None], noise)
        losses.append((2 * best_neg_si_sdr(found.estimates, targets) + own).item() / 3)
        noises.append(own.item())
    assert np.mean(noises) < 0 < -np.mean(losses) + 5
    best = read_card(with_noise.weights).training["best"]
    assert np.mean(losses) == pytest.approx(best["dev_loss"], abs=1e-3)
