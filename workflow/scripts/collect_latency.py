"""Join the latencies of all runs on the test split."""

from pathlib import Path

from pipeline.jobs import job

with job(snakemake):
    from pipeline.inference.latency import collect_latency

    denoised = zip(snakemake.params.denoisers, snakemake.input.denoised, strict=True)
    separated = zip(snakemake.params.systems, snakemake.input.separated, strict=True)
    runs = [("denoise", name, "noisy", Path(path)) for name, path in denoised]
    for system, path in separated:
        model, tested = system.rsplit("/", 1)
        runs.append(("separate", model, tested, Path(path)))
    collect_latency(runs, Path(snakemake.output.files), Path(snakemake.output.summary))
