"""Fetch one part of the corpora."""

from pathlib import Path

from pipeline.base.jobs import job

with job(snakemake):
    from pipeline.config import load_config
    from pipeline.corpora.catalogue import load_catalogue
    from pipeline.corpora.download import download_part

    cfg = load_config(snakemake.config)
    settings = cfg.corpora.download
    part = load_catalogue(settings.catalogue)[snakemake.wildcards.part]
    download_part(part, settings, cfg.seed, Path(snakemake.output[0]))
