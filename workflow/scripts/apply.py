"""Run one system over a shard of a split."""

from pathlib import Path

from pipeline.base.jobs import job, one_or_none

with job(snakemake):
    from pipeline.inference.apply import setting_of
    from pipeline.inference.run import infer_shard
    from pipeline.tasks import TASKS
    from pipeline.tasks.grammar import split_heading

    given, wildcards = snakemake.input, snakemake.wildcards
    setting = setting_of(snakemake.config, snakemake.params)  # and its extensions are loaded
    condition, *_ = split_heading(wildcards.tested)
    weights, *denoiser = given.weights  # those of the denoiser behind it, if there is one
    infer_shard(
        TASKS[wildcards.task],
        Path(given.mixtures[0]),
        str(condition),
        one_or_none(given.denoised),
        Path(weights),
        Path(snakemake.output[0]),
        wildcards.scatteritem,
        setting,
        one_or_none(denoiser),
    )
