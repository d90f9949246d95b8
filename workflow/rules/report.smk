# in:  scores, histories, latencies and the audio of a few test mixtures
# out: results/report/, a folder to open, move or send; report.zip and report.html hold the same


rule report:
    input:
        mixtures="results/mixtures/test/mixtures.csv",
        scores="results/scores/scores.csv",
        summary="results/scores/summary.csv",
        comparisons="results/scores/comparisons.csv",
        answer="results/scores/answer.json",
        dry="results/scores/dry.csv",
        latency="results/estimates/latency.csv",
        latency_summary="results/estimates/latency_summary.csv",
        throughput="results/estimates/throughput.csv",
        histories=expand("results/models/{model}/history.csv", model=MODELS),
        weights=expand("results/models/{model}/model.safetensors", model=MODELS),
        estimates=expand(
            "results/estimates/{system}/test/estimates.csv", system=SYSTEMS
        ),
        # If the sources of the page change, only the page is rebuilt.
        sources=REPORT_SOURCES,
    output:
        index="results/report/index.html",
        assets=directory("results/report/assets"),
        tables=directory("results/report/tables"),
        zip="results/report.zip",
        single="results/report.html",
        matrix=report(
            "results/report/figures/matrix.svg",
            caption="../report/matrix.rst",
            category="Separation",
        ),
        differences=report(
            "results/report/figures/differences.svg",
            caption="../report/differences.rst",
            category="Separation",
        ),
        denoisers=report(
            "results/report/figures/denoisers.svg",
            caption="../report/denoisers.rst",
            category="Denoising",
        ),
        dry=report(
            "results/report/figures/dry.svg",
            caption="../report/dry.rst",
            category="Denoising",
        ),
        breakdown=report(
            "results/report/figures/breakdown.svg",
            caption="../report/breakdown.rst",
            category="Separation",
        ),
        latency=report(
            "results/report/figures/latency.svg",
            caption="../report/latency.rst",
            category="Latency",
        ),
        latency_length=report(
            "results/report/figures/latency_length.svg",
            caption="../report/latency_length.rst",
            category="Latency",
        ),
        quality_latency=report(
            "results/report/figures/quality_latency.svg",
            caption="../report/quality_latency.rst",
            category="Latency",
        ),
        quality_cost=report(
            "results/report/figures/quality_cost.svg",
            caption="../report/quality_cost.rst",
            category="Latency",
        ),
        curves=report(
            "results/report/figures/training_curves.svg",
            caption="../report/training_curves.rst",
            category="Training",
        ),
        dag=report(
            "results/report/figures/dag.svg",
            caption="../report/dag.rst",
            category="Provenance",
        ),
    log:
        "<logs>/report/report.log",
    benchmark:
        "<benchmarks>/report/report.tsv"
    conda:
        "../../envs/evaluation.yaml"
    params:
        config=cfg.model_dump(mode="json"),
        models=MODELS,
        systems=SYSTEMS,
        benchmarks="results/benchmarks",
        run=RUN_FACTS,
    script:
        "../scripts/report.py"
