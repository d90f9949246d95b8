"""Score one shard of one system by one measure."""

from pathlib import Path

from pipeline.base.jobs import job

with job(snakemake):
    from pipeline.evaluation.measures import open_measure
    from pipeline.evaluation.score import score

    wildcards, given, params = snakemake.wildcards, snakemake.input, snakemake.params
    texts = {"references": Path(given.references)} if wildcards.measure == "asr" else {}
    measure = open_measure(wildcards.measure, params.sample_rate, **params.settings, **texts)
    estimates = Path(given.estimates) if "estimates" in given.keys() else None  # noqa: SIM118
    settings = (params.system, wildcards.scatteritem, params.sample_rate, measure)
    out = Path(snakemake.output[0])
    score(Path(given.mixtures), estimates, out, *settings, snakemake.threads)
