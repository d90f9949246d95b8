"""Score one shard of one system by one measure."""

from pathlib import Path

from pipeline.base.jobs import job, one_or_none

with job(snakemake):
    from pipeline.config import load_config
    from pipeline.evaluation.measures import open_measure
    from pipeline.evaluation.score import score
    from pipeline.experiment import system_of

    load_config(snakemake.config)  # for tasks of extensions
    wildcards, given, params = snakemake.wildcards, snakemake.input, snakemake.params
    texts, estimates = one_or_none(given.references), one_or_none(given.estimates)
    settings = params.settings | ({"references": texts} if texts else {})
    settings.pop("made_by", None)  # a parameter so that other versions score anew
    measure = open_measure(wildcards.measure, params.sample_rate, **settings)
    score(
        Path(given.mixtures[0]),
        estimates,
        Path(snakemake.output[0]),
        system_of(wildcards),
        wildcards.scatteritem,
        params.sample_rate,
        measure,
        snakemake.threads,
    )
