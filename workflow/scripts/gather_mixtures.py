"""Join the manifests of all shards of a split, and write LibriMix's own metadata."""

from pathlib import Path

from pipeline.jobs import job

with job(snakemake.log[0]):
    from pipeline.files import concatenate
    from pipeline.mixtures.librimix import write_metadata

    mixtures = Path(snakemake.output.mixtures)
    concatenate([Path(shard, "index.csv") for shard in snakemake.input], mixtures)
    write_metadata(mixtures, Path(snakemake.output.librimix), snakemake.wildcards.split)
