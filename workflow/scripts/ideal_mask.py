"""Separate one shard of the test mixtures with masks that are computed from the true sources."""

from pathlib import Path

from pipeline.base.jobs import job

with job(snakemake):
    from pipeline.inference.oracle import mask_shard

    mask_shard(
        Path(snakemake.input[0]),
        Path(snakemake.output[0]),
        snakemake.wildcards.scatteritem,
        snakemake.params.sample_rate,
    )
