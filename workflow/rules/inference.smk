# in:  trained weights and rendered mixtures
# out: results/estimates/{task}/{name}/{trained}/{run}/{tested}/{split}/estimates.csv, WAVs beside
#      it; of all runs latency (of the test split, one mixture at a time) and throughput


rule apply:
    input:
        unpack(experiment.inference_inputs),
    output:
        directory(
            "results/estimates/{task}/{name}/{trained}/{run}/{tested}/{split}/{scatteritem}"
        ),
    log:
        "<logs>/inference/{task}_{name}_{trained}_{run}_{tested}_{split}_{scatteritem}.log",
    benchmark:
        "<benchmarks>/apply/{task}_{name}_{trained}_{run}_{tested}_{split}_{scatteritem}.tsv"
    priority: 10  # denoised mixtures are what other trainings wait for
    conda:
        "../../envs/models.yaml"
    threads: cfg.machine.threads
    resources:
        gpu=GPU,
    params:
        sample_rate=cfg.sample_rate,
        timed=experiment.is_timed,
        inference=experiment.inference,
    script:
        "../scripts/apply.py"


# An oracle, which is given the true sources and needs no weights.
rule ideal_mask:
    input:
        "results/mixtures/test/mixtures.csv",
    output:
        directory(f"results/estimates/{MASKED}/test/{{scatteritem}}"),
    log:
        "<logs>/inference/ideal_mask_{scatteritem}.log",
    benchmark:
        "<benchmarks>/ideal_mask/{scatteritem}.tsv"
    conda:
        "../../envs/models.yaml"
    params:
        sample_rate=cfg.sample_rate,
    script:
        "../scripts/ideal_mask.py"


ruleorder: ideal_mask > apply


rule gather_estimates:
    input:
        gather.shards(
            "results/estimates/{{task}}/{{name}}/{{trained}}/{{run}}/{{tested}}/{{split}}/{scatteritem}"
        ),
    output:
        "results/estimates/{task}/{name}/{trained}/{run}/{tested}/{split}/estimates.csv",
    log:
        "<logs>/inference/gather_{task}_{name}_{trained}_{run}_{tested}_{split}.log",
    benchmark:
        "<benchmarks>/gather_estimates/{task}_{name}_{trained}_{run}_{tested}_{split}.tsv"
    priority: 10
    conda:
        "../../envs/data.yaml"
    script:
        "../scripts/gather.py"


rule collect_latency:
    input:
        timed=gather.shards(
            "results/estimates/{system}/{scatteritem}", system=experiment.timed
        ),
        batched=gather.shards(
            "results/estimates/{system}/{scatteritem}", system=experiment.batched
        ),
    output:
        files="results/estimates/latency.csv",
        summary="results/estimates/latency_summary.csv",
        throughput="results/estimates/throughput.csv",
    log:
        "<logs>/inference/latency.log",
    benchmark:
        "<benchmarks>/collect_latency/collect_latency.tsv"
    conda:
        "../../envs/data.yaml"
    script:
        "../scripts/collect_latency.py"
