"""Write the HTML report."""

from pathlib import Path

from pipeline.jobs import job

with job(snakemake.log[0]):
    from pipeline.config import load_config
    from pipeline.corpora.catalogue import licences
    from pipeline.report.inputs import ReportInputs
    from pipeline.report.page import write_report

    given, params = snakemake.input, snakemake.params

    def named(names, paths):
        return dict(zip(names, map(Path, paths), strict=True))

    denoisers = [f"denoiser {name}" for name in params.denoisers]
    separators = ["separator " + name.replace("/", ", ") for name in params.separators]
    single = (
        "mixtures",
        "scores",
        "summary",
        "comparisons",
        "answer",
        "latency",
        "latency_summary",
    )
    write_report(
        ReportInputs(
            **{name: Path(given[name]) for name in single},
            histories=named(denoisers, given.denoiser_histories)
            | named(separators, given.separator_histories),
            denoised=named(params.denoisers, given.denoised),
            separated=named(params.systems, given.separated),
            config=params.config,
            licences=licences(load_config(snakemake.config)),
        ),
        Path(snakemake.output.index),
        Path(snakemake.output.matrix).parent,
    )
