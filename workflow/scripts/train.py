"""Train a denoiser or a separator."""

from pathlib import Path

from pipeline.base.jobs import job

with job(snakemake):
    from pipeline.config import Mixtures, load_config
    from pipeline.corpora.catalogue import licences
    from pipeline.training.data import denoiser_examples, separator_examples
    from pipeline.training.dynamic import fresh_for_denoiser, fresh_for_separator
    from pipeline.training.train import Job, train

    wanted = Job(**snakemake.params.job)
    rate = snakemake.params.sample_rate

    def one_or_none(name):
        return next((Path(path) for path in snakemake.input.get(name, [])), None)

    def rendered(split, mixtures):
        if wanted.role == "denoiser":
            return denoiser_examples(mixtures, rate)
        return separator_examples(
            mixtures, wanted.condition, one_or_none(f"denoised_{split}"), rate
        )

    def fresh(speech, noise):
        settings = Mixtures(**wanted.mixtures)
        if wanted.role == "denoiser":
            return fresh_for_denoiser(speech, noise, settings, rate)
        front = one_or_none("front")
        return fresh_for_separator(speech, noise, settings, wanted.condition, front, rate)

    data = [Path(path) for path in snakemake.input.train]  # the mixtures, or speech and noise
    weights, config = Path(snakemake.output.weights), load_config(snakemake.config)
    train(
        wanted,
        config.machine,
        fresh(*data) if wanted.mixtures else rendered("train", *data),
        rendered("dev", Path(snakemake.input.dev)),
        weights,
        Path(snakemake.output.history),
        weights.parent / "state",
        licences(config),
        config.training_of(f"{wanted.role}s", snakemake.wildcards[wanted.role]).devices,
    )
