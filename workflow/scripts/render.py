"""Render one shard of a plan."""

from pathlib import Path

from pipeline.base.jobs import job

with job(snakemake):
    from pipeline.config import Mixtures
    from pipeline.mixtures.render import render_shard

    render_shard(
        Path(snakemake.input[0]),
        Path(snakemake.output[0]),
        snakemake.params.sample_rate,
        Mixtures(**snakemake.params.mixtures),
    )
