"""Separate one shard of the test mixtures with one system."""

from pathlib import Path

from pipeline.base.jobs import job

with job(snakemake):
    from pipeline.inference.run import separate_shard, setting_of

    denoised = [Path(path) for path in snakemake.input.denoised]  # one or none
    separate_shard(
        Path(snakemake.input.mixtures),
        snakemake.wildcards.tested,
        next(iter(denoised), None),
        Path(snakemake.input.weights),
        Path(snakemake.output[0]),
        snakemake.wildcards.scatteritem,
        setting_of(snakemake.config, snakemake.params),
    )
