# in:  estimates and rendered test mixtures
# out: results/scores/{scores,summary,comparisons}.csv and answer.json


rule score_mixture:
    input:
        mixtures="results/mixtures/test/mixtures.csv",
    output:
        "results/scores/mixture/{scatteritem}.csv",
    log:
        "<logs>/evaluation/mixture_{scatteritem}.log",
    benchmark:
        "<benchmarks>/evaluation/mixture_{scatteritem}.tsv"
    conda:
        "../../envs/evaluation.yaml"
    params:
        sample_rate=cfg.sample_rate,
        metrics=cfg.evaluation.metrics,
    script:
        "../scripts/score.py"


rule score_denoised:
    input:
        mixtures="results/mixtures/test/mixtures.csv",
        estimates="results/estimates/denoised/{denoiser}/test/estimates.csv",
    output:
        "results/scores/denoised/{denoiser}/{scatteritem}.csv",
    log:
        "<logs>/evaluation/denoised_{denoiser}_{scatteritem}.log",
    benchmark:
        "<benchmarks>/evaluation/denoised_{denoiser}_{scatteritem}.tsv"
    conda:
        "../../envs/evaluation.yaml"
    params:
        sample_rate=cfg.sample_rate,
        metrics=cfg.evaluation.metrics,
    script:
        "../scripts/score.py"


rule score_separated:
    input:
        mixtures="results/mixtures/test/mixtures.csv",
        estimates="results/estimates/separated/{separator}/{trained}/{tested}/estimates.csv",
    output:
        "results/scores/separated/{separator}/{trained}/{tested}/{scatteritem}.csv",
    log:
        "<logs>/evaluation/separated_{separator}_{trained}_{tested}_{scatteritem}.log",
    benchmark:
        "<benchmarks>/evaluation/separated_{separator}_{trained}_{tested}_{scatteritem}.tsv"
    conda:
        "../../envs/evaluation.yaml"
    params:
        sample_rate=cfg.sample_rate,
        metrics=cfg.evaluation.metrics,
    script:
        "../scripts/score.py"


rule aggregate:
    input:
        gather.shards("results/scores/mixture/{scatteritem}.csv"),
        gather.shards(
            "results/scores/denoised/{name}/{scatteritem}.csv", name=cfg.denoisers
        ),
        gather.shards("results/scores/separated/{name}/{scatteritem}.csv", name=SYSTEMS),
    output:
        scores="results/scores/scores.csv",
        summary=report(
            "results/scores/summary.csv",
            caption="../report/summary.rst",
            category="Scores",
        ),
        comparisons=report(
            "results/scores/comparisons.csv",
            caption="../report/comparisons.rst",
            category="Scores",
        ),
        answer="results/scores/answer.json",
    log:
        "<logs>/evaluation/aggregate.log",
    benchmark:
        "<benchmarks>/evaluation/aggregate.tsv"
    conda:
        "../../envs/evaluation.yaml"
    params:
        bootstrap_samples=cfg.evaluation.bootstrap_samples,
        confidence=cfg.evaluation.confidence,
        seed=cfg.seed,
    script:
        "../scripts/aggregate.py"
