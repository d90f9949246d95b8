# in:  scores, histories, latencies and the audio of a few test mixtures
# out: results/report/, a folder to open, move or send


rule report:
    input:
        mixtures="results/mixtures/test/mixtures.csv",
        scores="results/scores/scores.csv",
        summary="results/scores/summary.csv",
        comparisons="results/scores/comparisons.csv",
        answer="results/scores/answer.json",
        latency="results/estimates/latency.csv",
        latency_summary="results/estimates/latency_summary.csv",
        denoiser_histories=expand(
            "results/models/denoisers/{name}/history.csv", name=cfg.denoisers
        ),
        separator_histories=expand(
            "results/models/separators/{name}/history.csv", name=TRAINED_SEPARATORS
        ),
        denoised=expand(
            "results/estimates/denoised/{name}/test/estimates.csv", name=cfg.denoisers
        ),
        separated=expand(
            "results/estimates/separated/{name}/estimates.csv", name=SYSTEMS
        ),
    output:
        index="results/report/index.html",
        assets=directory("results/report/assets"),
        matrix=report(
            "results/report/figures/matrix.svg",
            caption="../report/matrix.rst",
            category="Separation",
        ),
        curves=report(
            "results/report/figures/training_curves.svg",
            caption="../report/training_curves.rst",
            category="Training",
        ),
        latency=report(
            "results/report/figures/latency.svg",
            caption="../report/latency.rst",
            category="Latency",
        ),
    log:
        "<logs>/report/report.log",
    benchmark:
        "<benchmarks>/report/report.tsv"
    conda:
        "../../envs/evaluation.yaml"
    params:
        config=cfg.model_dump(mode="json"),
        denoisers=list(cfg.denoisers),
        separators=TRAINED_SEPARATORS,
        systems=SYSTEMS,
    script:
        "../scripts/report.py"
