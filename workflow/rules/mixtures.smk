# in:  results/corpora/{speech,noise}.csv, or LibriMix's metadata and the corpora before conversion
# out: results/mixtures/{split}/mixtures.csv, WAVs in LibriMix's folders beside it


if cfg.mixtures.kind != "librimix":

    rule draw_plan:
        input:
            speech="results/corpora/speech.csv",
            noise="results/corpora/noise.csv",
        output:
            scatter.shards("results/mixtures/plan/{{split}}/{scatteritem}.csv"),
        log:
            "<logs>/mixtures/plan_{split}.log",
        benchmark:
            "<benchmarks>/draw_plan/{split}.tsv"
        conda:
            "../../envs/data.yaml"
        params:
            mixtures=drawn_mixtures,
            seed=cfg.seed,
            sample_rate=cfg.sample_rate,
        script:
            "../scripts/draw_plan.py"

else:

    rule read_plan:
        input:
            speech="results/corpora/scan/speech.csv",
            noise="results/corpora/scan/noise.csv",
            metadata=librimix_given,
            fetched=librimix_fetched,
        output:
            scatter.shards("results/mixtures/plan/{{split}}/{scatteritem}.csv"),
        log:
            "<logs>/mixtures/plan_{split}.log",
        benchmark:
            "<benchmarks>/read_plan/{split}.tsv"
        conda:
            "../../envs/data.yaml"
        params:
            num_speakers=cfg.mixtures.num_speakers,
            mode=cfg.mixtures.mode,
            sample_rate=cfg.sample_rate,
        script:
            "../scripts/read_plan.py"


rule render:
    input:
        "results/mixtures/plan/{split}/{scatteritem}.csv",
    output:
        directory("results/mixtures/{split}/{scatteritem}"),
    log:
        "<logs>/mixtures/render_{split}_{scatteritem}.log",
    benchmark:
        "<benchmarks>/render/{split}_{scatteritem}.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        sample_rate=cfg.sample_rate,
        mixtures=experiment.rendering(),
    script:
        "../scripts/render.py"


rule gather_mixtures:
    input:
        gather.shards("results/mixtures/{{split}}/{scatteritem}"),
    output:
        "results/mixtures/{split}/mixtures.csv",
    log:
        "<logs>/mixtures/gather_{split}.log",
    benchmark:
        "<benchmarks>/gather_mixtures/{split}.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        manifest="index.csv",
    script:
        "../scripts/gather.py"


rule librimix_metadata:
    input:
        mixtures="results/mixtures/{split}/mixtures.csv",
        speech="results/corpora/scan/speech.csv",
        noise="results/corpora/scan/noise.csv",
    output:
        directory("results/mixtures/{split}/metadata"),
    log:
        "<logs>/mixtures/metadata_{split}.log",
    benchmark:
        "<benchmarks>/librimix_metadata/{split}.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        start_rate=cfg.sample_rate if cfg.mixtures.kind != "librimix" else 16000,
        folder=working_folder,  # LibriMix's own tables hold absolute paths
    script:
        "../scripts/librimix_metadata.py"
