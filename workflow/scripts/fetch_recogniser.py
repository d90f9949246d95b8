"""Fetch the model of a recogniser from the Hugging Face hub."""

from pathlib import Path

from pipeline.base.jobs import job

with job(snakemake):
    from pipeline.evaluation.hub import fetch_model

    fetch_model(snakemake.params.model, Path(snakemake.output[0]))
