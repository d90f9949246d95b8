"""Run one system over a shard of a split."""

from pathlib import Path

from pipeline.base.jobs import job, one_or_none

with job(snakemake):
    from pipeline.inference.run import infer_shard, setting_of
    from pipeline.tasks import TASKS

    given, wildcards = snakemake.input, snakemake.wildcards
    setting = setting_of(snakemake.config, snakemake.params)  # and its extensions are loaded
    infer_shard(
        TASKS[wildcards.task],
        Path(given.mixtures[0]),
        wildcards.tested,
        one_or_none(given.denoised),
        Path(given.weights[0]),
        Path(snakemake.output[0]),
        wildcards.scatteritem,
        setting,
    )
