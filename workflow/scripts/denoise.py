"""Denoise one shard of a split."""

from pathlib import Path

from pipeline.base.jobs import job

with job(snakemake):
    from pipeline.inference.run import denoise_shard, setting_of

    denoise_shard(
        Path(snakemake.input.mixtures),
        Path(snakemake.input.weights),
        Path(snakemake.output[0]),
        snakemake.wildcards.scatteritem,
        setting_of(snakemake.config, snakemake.params),
    )
