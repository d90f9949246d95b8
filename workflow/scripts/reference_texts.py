"""Write what each source of a shard says: recognised, or from the corpus' transcripts."""

from pathlib import Path

from pipeline.base.jobs import job

with job(snakemake):
    from pipeline.config import SpeechRecognition
    from pipeline.evaluation.references import write_references

    write_references(
        Path(snakemake.input.mixtures),
        Path(snakemake.output[0]),
        snakemake.wildcards.scatteritem,
        snakemake.params.sample_rate,
        SpeechRecognition(**snakemake.params.asr),
        *map(Path, snakemake.input.get("speech", [])),
    )
