# in:  results/corpora/{speech,noise}.csv
# out: results/mixtures/{split}/mixtures.csv, WAVs in LibriMix's folders beside it


rule draw_plan:
    input:
        speech="results/corpora/speech.csv",
        noise="results/corpora/noise.csv",
    output:
        "results/mixtures/plan/{split}.csv",
    log:
        "<logs>/mixtures/plan_{split}.log",
    benchmark:
        "<benchmarks>/mixtures/plan_{split}.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        mixtures=cfg.mixtures.model_dump(mode="json"),
        seed=cfg.seed,
        sample_rate=cfg.sample_rate,
    script:
        "../scripts/draw_plan.py"


rule render:
    input:
        "results/mixtures/plan/{split}.csv",
    output:
        directory("results/mixtures/{split}/{scatteritem}"),
    log:
        "<logs>/mixtures/render_{split}_{scatteritem}.log",
    benchmark:
        "<benchmarks>/mixtures/render_{split}_{scatteritem}.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        sample_rate=cfg.sample_rate,
        peak=cfg.mixtures.peak,
    script:
        "../scripts/render.py"


rule gather_mixtures:
    input:
        gather.shards("results/mixtures/{{split}}/{scatteritem}"),
    output:
        mixtures="results/mixtures/{split}/mixtures.csv",
        librimix=directory("results/mixtures/{split}/metadata"),
    log:
        "<logs>/mixtures/gather_{split}.log",
    benchmark:
        "<benchmarks>/mixtures/gather_{split}.tsv"
    conda:
        "../../envs/data.yaml"
    script:
        "../scripts/gather_mixtures.py"
