"""Score one shard of one system for several shares of the mixture added back to its input."""

from pathlib import Path

from pipeline.base.jobs import job, one_or_none

with job(snakemake):
    from pipeline.experiment import system_of
    from pipeline.inference.apply import setting_of
    from pipeline.inference.sweep import sweep_shard

    given = snakemake.input
    setting = setting_of(snakemake.config, snakemake.params)  # and its extensions are loaded
    sweep_shard(
        system_of(snakemake.wildcards),
        Path(given.mixtures[0]),
        Path(given.denoised[0]),
        one_or_none(given.weights),
        Path(snakemake.output[0]),
        snakemake.wildcards.scatteritem,
        setting,
    )
