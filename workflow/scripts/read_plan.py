"""Take the mixtures of a split from LibriMix's metadata."""

from pathlib import Path

from pipeline.base.jobs import job

with job(snakemake):
    from pipeline.base.files import read_manifest
    from pipeline.mixtures.plan import read_plan

    fetched = [path for listed in snakemake.input.fetched for path in read_manifest(listed)["path"]]
    read_plan(
        [Path(path) for path in (*snakemake.input.metadata, *fetched)],
        Path(snakemake.input.speech),
        Path(snakemake.input.noise),
        [Path(path) for path in snakemake.output],
        snakemake.wildcards.split,
        snakemake.params.num_speakers,
        snakemake.params.mode,
        snakemake.params.sample_rate,
    )
