"""Score one shard: the unprocessed mixtures, a denoiser, or a separation system."""

from pathlib import Path

from pipeline.jobs import job

with job(snakemake.log[0]):
    from pipeline.evaluation.score import score_denoised, score_mixture, score_separated

    wildcards = snakemake.wildcards
    mixtures, out = Path(snakemake.input.mixtures), Path(snakemake.output[0])
    settings = (wildcards.scatteritem, snakemake.params.sample_rate, snakemake.params.metrics)
    if snakemake.rule == "score_mixture":
        score_mixture(mixtures, out, *settings)
    elif snakemake.rule == "score_denoised":
        system = f"denoised-{wildcards.denoiser}"
        score_denoised(mixtures, Path(snakemake.input.estimates), out, system, *settings)
    else:
        system = f"{wildcards.separator}/{wildcards.trained}/{wildcards.tested}"
        score_separated(mixtures, Path(snakemake.input.estimates), out, system, *settings)
