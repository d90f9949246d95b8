"""Join all scores, sum them up with intervals, compare systems, and answer the question."""

from pathlib import Path

from pipeline.jobs import job

with job(snakemake.log[0]):
    from pipeline.evaluation.aggregate import combine, compare, summarise
    from pipeline.evaluation.answer import answer

    scores, summary, comparisons, answered = (Path(path) for path in snakemake.output)
    params = snakemake.params
    bootstrap = (params.bootstrap_samples, params.confidence, params.seed)
    combine([Path(path) for path in snakemake.input], scores)
    summarise(scores, summary, *bootstrap)
    compare(scores, comparisons, *bootstrap)
    answer(comparisons, summary, answered)
