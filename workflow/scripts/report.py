"""Write the HTML report, as a folder, as a ZIP and as one file."""

from pathlib import Path

from pipeline.base.jobs import job

with job(snakemake):
    from pipeline.config import load_config
    from pipeline.corpora.catalogue import licences
    from pipeline.report.inputs import ReportInputs
    from pipeline.report.names import model_label
    from pipeline.report.page import write_report
    from pipeline.report.parcel import write_single_file, write_zip

    config = load_config(snakemake.config)
    given, params, output = snakemake.input, snakemake.params, snakemake.output

    def named(names, paths):
        return dict(zip(names, map(Path, paths), strict=True))

    models = [model_label(path) for path in params.models]
    single = (
        "mixtures",
        "scores",
        "summary",
        "comparisons",
        "answer",
        "dry",
        "latency",
        "latency_summary",
        "throughput",
    )
    index = Path(output.index)
    write_report(
        ReportInputs(
            **{name: Path(given[name]) for name in single},
            histories=named(models, given.histories),
            weights=named(models, given.weights),
            estimates=named(params.systems, given.estimates),
            config=params.config,
            benchmarks=Path(params.benchmarks),
            run=Path(params.run),
            licences=licences(config),
        ),
        index,
    )
    write_zip(index.parent, Path(output.zip))
    write_single_file(index, Path(output.single))
