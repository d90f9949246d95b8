# in:  estimates and rendered test mixtures, latencies
# out: results/scores/{scores,summary,comparisons,costs,dry}.csv and answer.json


rule score:
    input:
        unpack(experiment.scoring_inputs),
    output:
        "results/scores/{measure}/{task}/{name}/{trained}/{run}/{tested}/{scatteritem}.csv",
    log:
        "<logs>/evaluation/{measure}_{task}_{name}_{trained}_{run}_{tested}_{scatteritem}.log",
    benchmark:
        "<benchmarks>/score/{measure}_{task}_{name}_{trained}_{run}_{tested}_{scatteritem}.tsv"
    conda:
        "../../envs/evaluation.yaml"
    threads: experiment.scoring_threads
    params:
        sample_rate=cfg.sample_rate,
        settings=experiment.measured,
    script:
        "../scripts/score.py"


# Login nodes have network access, compute nodes often do not.
localrules:
    fetch_recogniser,


rule fetch_recogniser:
    output:
        directory("results/scores/asr/model"),
    log:
        "<logs>/evaluation/fetch_recogniser.log",
    benchmark:
        "<benchmarks>/fetch_recogniser/fetch_recogniser.tsv"
    priority: 10  # an unknown name is said before models are trained
    conda:
        "../../envs/evaluation.yaml"
    params:
        model=cfg.evaluation.asr.own_model if cfg.evaluation.asr else None,
    script:
        "../scripts/fetch_recogniser.py"


rule reference_texts:
    input:
        unpack(experiment.reference_inputs),
        mixtures="results/mixtures/test/mixtures.csv",
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
        recogniser=experiment.reference_settings,
    script:
        "../scripts/reference_texts.py"


# Nothing is kept but the scores: of a denoiser's output with shares of the mixture added back, or of
# the output of a network for that.
rule sweep:
    input:
        unpack(experiment.sweep_inputs),
    output:
        "results/scores/dry/{task}/{name}/{trained}/{run}/{tested}/{split}/{scatteritem}.csv",
    log:
        "<logs>/evaluation/dry_{task}_{name}_{trained}_{run}_{tested}_{split}_{scatteritem}.log",
    benchmark:
        "<benchmarks>/sweep/{task}_{name}_{trained}_{run}_{tested}_{split}_{scatteritem}.tsv"
    conda:
        "../../envs/models.yaml"
    threads: cfg.machine.threads
    resources:
        gpu=GPU,
    params:
        sample_rate=cfg.sample_rate,
        timed=False,
        inference=cfg.inference.model_dump(mode="json", exclude={"inactive_below"}),
    script:
        "../scripts/sweep.py"


rule aggregate:
    input:
        scores=gather.shards(
            "results/scores/{table}/{scatteritem}.csv", table=experiment.scored
        ),
        dev=shares_of("dev"),
        test=shares_of("test"),
        weights=expand("results/models/{model}/model.safetensors", model=MODELS),
        latency="results/estimates/latency.csv",
        mixtures="results/mixtures/test/mixtures.csv",
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
        costs="results/scores/costs.csv",
        dry="results/scores/dry.csv",
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
        equivalence_db=cfg.evaluation.equivalence_db,
        seed=cfg.seed,
    script:
        "../scripts/aggregate.py"
