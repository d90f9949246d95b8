# in:  estimates and rendered test mixtures, latencies
# out: results/scores/{scores,summary,comparisons}.csv and answer.json


rule score_mixture:
    input:
        mixtures="results/mixtures/test/mixtures.csv",
        references=texts_to_compare,
        model=recogniser,
    output:
        "results/scores/{measure}/mixture/{scatteritem}.csv",
    log:
        "<logs>/evaluation/{measure}_mixture_{scatteritem}.log",
    benchmark:
        "<benchmarks>/score_mixture/{measure}_{scatteritem}.tsv"
    conda:
        "../../envs/evaluation.yaml"
    threads: scoring_threads
    params:
        system="mixture",
        sample_rate=cfg.sample_rate,
        settings=measured,
    script:
        "../scripts/score.py"


rule score_denoised:
    input:
        mixtures="results/mixtures/test/mixtures.csv",
        estimates="results/estimates/denoised/{denoiser}/test/estimates.csv",
    output:
        "results/scores/{measure}/denoised/{denoiser}/{scatteritem}.csv",
    log:
        "<logs>/evaluation/{measure}_denoised_{denoiser}_{scatteritem}.log",
    benchmark:
        "<benchmarks>/score_denoised/{measure}_{denoiser}_{scatteritem}.tsv"
    wildcard_constraints:
        measure="signal|dnsmos",  # a denoiser's output is all speakers at once
    conda:
        "../../envs/evaluation.yaml"
    threads: scoring_threads
    params:
        system="denoised-{denoiser}",
        sample_rate=cfg.sample_rate,
        settings=measured,
    script:
        "../scripts/score.py"


rule score_separated:
    input:
        mixtures="results/mixtures/test/mixtures.csv",
        estimates="results/estimates/separated/{separator}/{trained}/{tested}/estimates.csv",
        references=texts_to_compare,
        model=recogniser,
    output:
        "results/scores/{measure}/separated/{separator}/{trained}/{tested}/{scatteritem}.csv",
    log:
        "<logs>/evaluation/{measure}_separated_{separator}_{trained}_{tested}_{scatteritem}.log",
    benchmark:
        "<benchmarks>/score_separated/{measure}_{separator}_{trained}_{tested}_{scatteritem}.tsv"
    conda:
        "../../envs/evaluation.yaml"
    threads: scoring_threads
    params:
        system="{separator}/{trained}/{tested}",
        sample_rate=cfg.sample_rate,
        settings=measured,
    script:
        "../scripts/score.py"


rule reference_texts:
    input:
        mixtures="results/mixtures/test/mixtures.csv",
        speech=transcripts,
        model=recogniser,
    output:
        "results/scores/asr/reference/{scatteritem}.csv",
    log:
        "<logs>/evaluation/reference_texts_{scatteritem}.log",
    benchmark:
        "<benchmarks>/reference_texts/{scatteritem}.tsv"
    priority: 10  # a missing transcript is said before models are trained
    conda:
        "../../envs/evaluation.yaml"
    params:
        sample_rate=cfg.sample_rate,
        asr=cfg.evaluation.model_dump(mode="json")["asr"],
    script:
        "../scripts/reference_texts.py"


rule aggregate:
    input:
        mixture=gather.shards(
            "results/scores/{measure}/mixture/{scatteritem}.csv",
            measure=cfg.evaluation.measures,
        ),
        denoised=gather.shards(
            "results/scores/{measure}/denoised/{name}/{scatteritem}.csv",
            measure=[m for m in cfg.evaluation.measures if m != "asr"],
            name=cfg.denoisers,
        ),
        separated=gather.shards(
            "results/scores/{measure}/separated/{name}/{scatteritem}.csv",
            measure=cfg.evaluation.measures,
            name=SYSTEMS,
        ),
        latency="results/estimates/latency.csv",
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
        "<benchmarks>/aggregate/aggregate.tsv"
    conda:
        "../../envs/evaluation.yaml"
    params:
        bootstrap_samples=cfg.evaluation.bootstrap_samples,
        confidence=cfg.evaluation.confidence,
        seed=cfg.seed,
    script:
        "../scripts/aggregate.py"
