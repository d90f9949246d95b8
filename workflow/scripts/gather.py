"""Join the manifests of all shards, one output for each name of manifest."""

from pathlib import Path

from pipeline.base.jobs import job

with job(snakemake):
    from pipeline.base.files import concatenate

    for output in snakemake.output:
        name = snakemake.params.get("manifest", Path(output).name)
        concatenate([Path(shard, name) for shard in snakemake.input], output)
