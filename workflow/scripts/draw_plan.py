"""Draw the mixtures of a split."""

from pathlib import Path

from pipeline.base.jobs import job

with job(snakemake):
    from pipeline.config import Mixtures
    from pipeline.mixtures.plan import draw_plan

    draw_plan(
        Path(snakemake.input.speech),
        Path(snakemake.input.noise),
        [Path(path) for path in snakemake.output],
        snakemake.wildcards.split,
        Mixtures(**snakemake.params.mixtures),
        snakemake.params.seed,
        snakemake.params.sample_rate,
    )
