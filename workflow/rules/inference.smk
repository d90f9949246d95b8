# in:  trained weights and rendered mixtures
# out: results/estimates/{denoised,separated}/…/estimates.csv, WAVs beside it; of all runs
#      latency (of the test split, one mixture at a time) and throughput


rule denoise:
    input:
        mixtures="results/mixtures/{split}/mixtures.csv",
        weights="results/models/denoisers/{denoiser}/model.safetensors",
    output:
        directory("results/estimates/denoised/{denoiser}/{split}/{scatteritem}"),
    log:
        "<logs>/inference/denoise_{denoiser}_{split}_{scatteritem}.log",
    benchmark:
        "<benchmarks>/denoise/{denoiser}_{split}_{scatteritem}.tsv"
    priority: 10
    conda:
        "../../envs/models.yaml"
    threads: cfg.machine.threads
    resources:
        gpu=GPU,
    params:
        sample_rate=cfg.sample_rate,
        timed=is_timed,
        inference=inference_settings,
    script:
        "../scripts/denoise.py"


rule gather_denoised:
    input:
        gather.shards("results/estimates/denoised/{{denoiser}}/{{split}}/{scatteritem}"),
    output:
        "results/estimates/denoised/{denoiser}/{split}/estimates.csv",
    log:
        "<logs>/inference/gather_{denoiser}_{split}.log",
    benchmark:
        "<benchmarks>/gather_denoised/{denoiser}_{split}.tsv"
    priority: 10
    conda:
        "../../envs/data.yaml"
    script:
        "../scripts/gather.py"


rule separate:
    input:
        mixtures="results/mixtures/test/mixtures.csv",
        denoised=denoised_for_test,
        weights="results/models/separators/{separator}/{trained}/model.safetensors",
    output:
        directory(
            "results/estimates/separated/{separator}/{trained}/{tested}/{scatteritem}"
        ),
    log:
        "<logs>/inference/separate_{separator}_{trained}_{tested}_{scatteritem}.log",
    benchmark:
        "<benchmarks>/separate/{separator}_{trained}_{tested}_{scatteritem}.tsv"
    conda:
        "../../envs/models.yaml"
    threads: cfg.machine.threads
    resources:
        gpu=GPU,
    params:
        sample_rate=cfg.sample_rate,
        timed=True,
        inference=TIMED_INFERENCE,
    script:
        "../scripts/separate.py"


rule gather_separated:
    input:
        gather.shards(
            "results/estimates/separated/{{separator}}/{{trained}}/{{tested}}/{scatteritem}"
        ),
    output:
        "results/estimates/separated/{separator}/{trained}/{tested}/estimates.csv",
    log:
        "<logs>/inference/gather_{separator}_{trained}_{tested}.log",
    benchmark:
        "<benchmarks>/gather_separated/{separator}_{trained}_{tested}.tsv"
    conda:
        "../../envs/data.yaml"
    script:
        "../scripts/gather.py"


rule collect_latency:
    input:
        timed=gather.shards("results/estimates/{run}/{scatteritem}", run=TIMED),
        batched=gather.shards("results/estimates/{run}/{scatteritem}", run=BATCHED),
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
