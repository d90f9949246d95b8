"""Join all scores, sum them up with intervals, compare systems, and answer the question."""

from pathlib import Path

from pipeline.base.jobs import job

with job(snakemake):
    from pipeline.evaluation.aggregate import combine, compare, summarise
    from pipeline.evaluation.answer import answer
    from pipeline.evaluation.bootstrap import Bootstrap
    from pipeline.evaluation.costs import write_costs
    from pipeline.evaluation.dry import chosen_shares, summarise_dry

    given, params = snakemake.input, snakemake.params
    scores, summary, comparisons, costs, dry, answered = map(Path, snakemake.output)
    bootstrap = Bootstrap(params.bootstrap_samples, params.confidence, params.seed)
    mixtures = Path(given.mixtures)
    dev, test = (list(map(Path, files)) for files in (given.dev, given.test))
    summarise_dry(dev, test, mixtures, dry, bootstrap)
    combine([Path(path) for path in given.scores], scores, chosen_shares(dry, test))
    write_costs(scores, [Path(path) for path in given.weights], costs)
    summarise(scores, summary, bootstrap, mixtures)
    compare(scores, comparisons, bootstrap, mixtures, params.equivalence_db, costs)
    answer(comparisons, summary, costs, Path(given.latency), answered, params.equivalence_db)
