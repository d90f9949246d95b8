"""Convert one shard of a corpus to WAV at the workflow's rate."""

from pathlib import Path

from pipeline.base.jobs import job

with job(snakemake):
    from pipeline.corpora.convert import convert_shard

    convert_shard(
        Path(snakemake.input[0]),
        Path(snakemake.output[0]),
        snakemake.wildcards.scatteritem,
        snakemake.params.sample_rate,
    )
