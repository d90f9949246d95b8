"""Join the manifests of all shards of a split, and write LibriMix's own metadata."""

from pathlib import Path

from pipeline.jobs import job

with job(snakemake):
    from pipeline.files import concatenate
    from pipeline.mixtures.metadata import write_metadata

    given, mixtures = snakemake.input, Path(snakemake.output.mixtures)
    concatenate([Path(shard, "index.csv") for shard in given.shards], mixtures)
    write_metadata(
        mixtures,
        Path(snakemake.output.librimix),
        snakemake.wildcards.split,
        Path(given.speech),
        Path(given.noise),
        snakemake.params.start_rate,
    )
