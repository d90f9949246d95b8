"""Train a denoiser or a separator."""

from pathlib import Path

from pipeline.jobs import job

with job(snakemake.log[0]):
    from pipeline.config import load_config
    from pipeline.training.data import denoiser_examples, separator_examples
    from pipeline.training.train import Job, train

    wanted = Job(**snakemake.params.job)
    rate = snakemake.params.sample_rate

    def examples(split):
        mixtures = Path(snakemake.input[split])
        if wanted.role == "denoiser":
            return denoiser_examples(mixtures, rate)
        denoised = [Path(path) for path in snakemake.input[f"denoised_{split}"]]  # one or none
        return separator_examples(mixtures, wanted.condition, next(iter(denoised), None), rate)

    weights = Path(snakemake.output.weights)
    train(
        wanted,
        load_config(snakemake.config).machine,
        examples("train"),
        examples("dev"),
        weights,
        Path(snakemake.output.history),
        weights.parent / "state",
    )
