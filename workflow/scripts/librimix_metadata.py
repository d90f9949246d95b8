"""Write LibriMix's own tables of a rendered split."""

from pathlib import Path

from pipeline.base.jobs import job

with job(snakemake):
    from pipeline.mixtures.metadata import write_metadata

    given = snakemake.input
    write_metadata(
        Path(given.mixtures),
        Path(snakemake.output[0]),
        snakemake.wildcards.split,
        Path(given.speech),
        Path(given.noise),
        snakemake.params.start_rate,
    )
