"""Take the mixtures of a split from LibriMix's metadata."""

from pathlib import Path

from pipeline.jobs import job

with job(snakemake.log[0]):
    from pipeline.corpora.download import librimix_files
    from pipeline.mixtures.plan import read_plan

    given = [Path(path) for path in snakemake.input.metadata]
    read_plan(
        given + librimix_files([Path(path) for path in snakemake.input.fetched]),
        Path(snakemake.input.speech),
        Path(snakemake.input.noise),
        [Path(path) for path in snakemake.output],
        snakemake.wildcards.split,
        snakemake.params.num_speakers,
        snakemake.params.mode,
        snakemake.params.sample_rate,
    )
