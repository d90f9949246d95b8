"""Train a model."""

from pathlib import Path

from pipeline.base.jobs import job, one_or_none

with job(snakemake):
    from pipeline.config import Mixtures, load_config
    from pipeline.corpora.catalogue import licences
    from pipeline.tasks import TASKS
    from pipeline.training.data import examples
    from pipeline.training.dynamic import fresh_mixtures
    from pipeline.training.job import Job
    from pipeline.training.train import train

    config = load_config(snakemake.config)
    wanted, given = Job(**snakemake.params.job), snakemake.input
    task, rate = TASKS[wanted.task], snakemake.params.sample_rate

    def rendered(split):
        mixtures, denoised = one_or_none(given[split]), one_or_none(given[f"denoised_{split}"])
        return examples(task, mixtures, wanted.condition, denoised, rate)

    def fresh():
        speech, noise = (Path(path) for path in given.train)
        front, drawing = one_or_none(given.front), dict(wanted.mixtures)
        dry = drawing.pop("dry", 0.0)
        settings = Mixtures(**drawing)
        return fresh_mixtures(task, speech, noise, settings, wanted.condition, front, rate, dry)

    weights, dev = Path(snakemake.output.weights), rendered("dev")
    # A published network is not trained, and so has no train split.
    data = rendered("train") if given.train and not wanted.mixtures else dev
    train(
        wanted,
        config.machine,
        fresh() if wanted.mixtures else data,
        dev,
        weights,
        Path(snakemake.output.history),
        weights.parent / "state",
        licences(config),
        config.training_of(task.section, snakemake.wildcards.name).devices,
        [Path(path) for path in given.extensions],
    )
