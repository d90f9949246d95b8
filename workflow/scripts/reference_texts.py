"""Write what each source of a shard says: recognised, or from the corpus' transcripts."""

from pathlib import Path

from pipeline.base.jobs import job

with job(snakemake):
    from pipeline.evaluation.references import write_references

    recogniser = dict(snakemake.params.recogniser)
    recogniser.pop("made_by", None)  # a parameter so that other versions recognise anew
    write_references(
        Path(snakemake.input.mixtures),
        Path(snakemake.output[0]),
        snakemake.wildcards.scatteritem,
        snakemake.params.sample_rate,
        recogniser,
        *map(Path, snakemake.input.get("speech", [])),
    )
