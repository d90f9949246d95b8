"""Denoise one shard of a split."""

from pathlib import Path

from pipeline.jobs import job

with job(snakemake):
    from pipeline.config import Inference, load_config
    from pipeline.inference.run import Setting, denoise_shard

    denoise_shard(
        Path(snakemake.input.mixtures),
        Path(snakemake.input.weights),
        Path(snakemake.output[0]),
        snakemake.wildcards.scatteritem,
        Setting(
            snakemake.params.sample_rate,
            load_config(snakemake.config).machine,
            Inference(**snakemake.params.inference),
        ),
    )
