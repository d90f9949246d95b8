"""Join the latencies of all runs on the test split, and the throughput of all runs."""

from pathlib import Path

from pipeline.base.jobs import job

with job(snakemake):
    from pipeline.inference.latency import collect_latency, collect_throughput

    timed = [Path(shard) for shard in snakemake.input.timed]
    batched = [Path(shard) for shard in snakemake.input.batched]
    collect_latency(timed, Path(snakemake.output.files), Path(snakemake.output.summary))
    collect_throughput([*timed, *batched], Path(snakemake.output.throughput))
