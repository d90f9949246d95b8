"""Loss, optimiser, schedule and monitored value: of the configuration, else of the task."""

from dataclasses import replace

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pipeline.base.errors import PipelineError
from pipeline.config import load_config
from pipeline.losses import check_losses, parse_terms
from pipeline.models.card import read_card
from pipeline.tasks import TASKS
from pipeline.training.job import recipe
from pipeline.training.module import Trainee

SMALLEST = {
    "denoisers": {"d": {"model": "conv_tasnet"}},
    "separators": {"s": {"model": "conv_tasnet", "conditions": ["noisy"]}},
}


def test_what_is_left_open_is_the_tasks(attempt, tmp_path):
    job = attempt(tmp_path).job
    found = recipe(job)
    assert (found.loss, found.optimizer) == ({"si_sdr": 1}, "adam")
    assert (found.schedule, found.monitor) == ("plateau", "dev_si_sdri")
    own = recipe(attempt(tmp_path, loss={"l1": 2.0}, monitor="dev_loss").job)
    assert (own.loss, own.monitor, own.optimizer) == ({"l1": 2.0}, "dev_loss", "adam")


def test_a_sum_of_terms_is_trained_and_told(attempt, tmp_path):
    done = attempt(tmp_path, loss={"si_sdr": 1.0, "l1": 5.0}, epochs=4).run()
    assert done.history["train_loss"].iloc[-1] < done.history["train_loss"].iloc[0] - 1
    assert read_card(done.weights).training["loss"] == {"si_sdr": 1.0, "l1": 5.0}


@pytest.fixture
def judged(monkeypatch):
    """`judged(values)`: the value of dev, score and loss alike, after each epoch."""

    def judge(values):
        values, log = iter(values), Trainee.log_dict
        epochs: dict[int, float] = {}

        def constant(module, scores, **options):
            epoch = module.current_epoch
            value = epochs.setdefault(epoch, next(values) if epoch not in epochs else 0.0)
            log(module, {name: scores[name] * 0 + value for name in scores}, **options)

        monkeypatch.setattr(Trainee, "log_dict", constant)

    return judge


def test_the_lowest_loss_may_choose_the_epoch(attempt, tmp_path, judged):
    judged([3.0, 1.0, 2.0])
    done = attempt(tmp_path, monitor="dev_loss", epochs=3).run()
    assert read_card(done.weights).training["best"]["epoch"] == 2


def test_the_highest_score_chooses_it_otherwise(attempt, tmp_path, judged):
    judged([1.0, 3.0, 2.0])
    done = attempt(tmp_path, epochs=3).run()
    assert read_card(done.weights).training["best"]["epoch"] == 2


@pytest.mark.parametrize("schedule, lowered", [("plateau", True), ("constant", False)])
def test_only_a_plateau_lowers_the_rate(attempt, tmp_path, judged, schedule, lowered):
    judged([1.0] * 4)
    done = attempt(tmp_path, schedule=schedule, plateau_patience=1, epochs=4).run()
    assert (done.history["learning_rate"].nunique() > 1) == lowered


def test_adamw_decays_the_weights(attempt, tmp_path):
    names = ("adam", "adamw")
    losses = [attempt(tmp_path / n, optimizer=n, epochs=1).run().history["dev_loss"] for n in names]
    assert losses[0][0] != losses[1][0] == pytest.approx(losses[0][0], abs=0.5)


def test_an_unknown_term_is_refused_with_the_allowed_ones():
    training = {"loss": {"snr": 1, "sdr": 1}}
    config = load_config(SMALLEST | {"training": training})
    with pytest.raises(PipelineError) as error:
        check_losses(config)
    assert str(error.value) == (
        "config: denoisers.d.training.loss.sdr: is no term; allowed: snr, si_sdr, l1,"
        " multi_resolution_stft"
    )
    del training["loss"]["sdr"]  # the cure
    check_losses(load_config(SMALLEST | {"training": training}))


def test_an_unknown_term_of_a_task_is_refused_too(monkeypatch):
    monkeypatch.setitem(TASKS, "denoise", replace(TASKS["denoise"], loss={"nope": 1}))
    with pytest.raises(PipelineError, match=r"denoisers.d.training.loss.nope: is no term"):
        check_losses(load_config(SMALLEST))


@pytest.mark.parametrize(
    ("loss", "line", "cure"),
    [
        ({"l1": {"weight": 1, "order": 2}}, "l1: takes only a weight; leave order out", {"l1": 1}),
        (
            {"multi_resolution_stft": {"hops": ["5 ms"]}},
            "multi_resolution_stft: ffts, hops and windows differ in number; give one for each"
            " resolution",
            {"multi_resolution_stft": {"ffts": [64], "hops": ["5 ms"], "windows": [64]}},
        ),
        (
            {"multi_resolution_stft": {"hops": [1, 2, "fast"]}},
            "multi_resolution_stft.hops.2: must be a number of samples up to 1000000, or of"
            " milliseconds as '15 ms', not 'fast'",
            {"multi_resolution_stft": {"hops": [1, 2, "3 ms"]}},
        ),
        (
            {"multi_resolution_stft": {"ffts": ["999999 ms", 2, 3]}},
            "multi_resolution_stft.ffts.0: must be a number of samples up to 1000000, or of"
            " milliseconds as '15 ms', not '999999 ms'",
            {"multi_resolution_stft": {"ffts": ["99 ms", 2, 3]}},
        ),
        (
            {"multi_resolution_stft": {"spectral_convergence": 0, "log_magnitude": 0}},
            "multi_resolution_stft: spectral_convergence and log_magnitude are both 0, so that"
            " nothing counts; raise one, or leave the term out",
            {"multi_resolution_stft": {"spectral_convergence": 0}},
        ),
    ],
)
def test_wrong_arguments_of_a_term_are_refused(loss, line, cure):
    with pytest.raises(PipelineError) as error:
        check_losses(load_config(SMALLEST | {"training": {"loss": loss}}))
    assert str(error.value) == f"config: denoisers.d.training.loss.{line}"
    check_losses(load_config(SMALLEST | {"training": {"loss": cure}}))


def test_numbers_may_be_texts_as_the_command_line_gives_them():
    stft = {"weight": "2", "ffts": ["512"], "hops": ["50"], "windows": ["15 ms"]}
    texts, numbers = (
        load_config(SMALLEST | {"training": {"loss": loss}})
        for loss in (
            {"si_sdr": "1", "l1": "0.5", "multi_resolution_stft": stft},
            {"si_sdr": 1, "l1": 0.5, "multi_resolution_stft": stft | {"weight": 2}},
        )
    )
    assert texts == numbers
    check_losses(texts)
    terms = parse_terms(texts.training.loss, 8000, "")
    assert [weight for *_, weight in terms] == [1, 0.5, 2]


@pytest.mark.parametrize("weight", [0, "much", "nan", True, {"weight": -1}, {"weight": {}}])
def test_a_weight_is_above_zero(weight):
    with pytest.raises(PipelineError, match=r"training.loss.l1: must be a weight above 0"):
        load_config(SMALLEST | {"training": {"loss": {"l1": weight}}})
    load_config(SMALLEST | {"training": {"loss": {"l1": 0.5}}})


def test_a_loss_of_several_terms_is_logged_term_by_term(attempt, tmp_path):
    loss = {"snr": 0.5, "multi_resolution_stft": {"weight": 2}}
    done = attempt(tmp_path, loss=loss, epochs=2).run()
    [events] = (tmp_path / "state/tensorboard").rglob("events*")
    board = EventAccumulator(str(events)).Reload()
    last = {tag: board.Scalars(tag)[-1].value for tag in board.Tags()["scalars"]}
    for name in ("train_loss", "dev_loss"):
        parts = 0.5 * last[f"{name}_snr"] + 2 * last[f"{name}_multi_resolution_stft"]
        assert last[name] == pytest.approx(parts, rel=1e-5)
    assert done.history["dev_loss"].iloc[-1] == pytest.approx(last["dev_loss"], rel=1e-5)
