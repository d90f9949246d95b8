"""Make the embedded corpus."""

from pathlib import Path

from pipeline.base.jobs import job

with job(snakemake):
    from pipeline.config import DemoCorpus
    from pipeline.corpora.demo import make_demo_corpus

    make_demo_corpus(
        Path(snakemake.output[0]),
        DemoCorpus(**snakemake.params.demo),
        snakemake.params.seed,
        snakemake.threads,
    )
