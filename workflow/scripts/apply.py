"""Run one system over a shard of a split."""

from pathlib import Path

from pipeline.base.jobs import job

with job(snakemake):
    from pipeline.inference.run import infer_shard, setting_of
    from pipeline.tasks import TASKS

    given, wildcards = snakemake.input, snakemake.wildcards
    denoised = [Path(path) for path in given.denoised]  # one or none
    infer_shard(
        TASKS[wildcards.task],
        Path(given.mixtures[0]),
        wildcards.tested,
        next(iter(denoised), None),
        Path(given.weights[0]),
        Path(snakemake.output[0]),
        wildcards.scatteritem,
        setting_of(snakemake.config, snakemake.params),
    )
