# in:  rendered mixtures, or for dynamic data the corpora that fresh ones are drawn from; for
#      separators of a denoised condition also their denoised versions, or the denoiser
# out: results/models/{denoisers,separators}/…/{model.safetensors,history.csv}
# A training's state stands in an undeclared folder beside its outputs, since declared ones
# are deleted before every attempt.


rule train_denoiser:
    input:
        train=denoiser_data,
        dev="results/mixtures/dev/mixtures.csv",
        init=denoiser_init,
    output:
        weights="results/models/denoisers/{denoiser}/model.safetensors",
        history="results/models/denoisers/{denoiser}/history.csv",
    log:
        "<logs>/training/denoiser_{denoiser}.log",
    benchmark:
        "<benchmarks>/train_denoiser/{denoiser}.tsv"
    priority: 10
    conda:
        "../../envs/models.yaml"
    threads: training_threads
    resources:
        gpu=training_gpus,
    params:
        job=denoiser_job,
        sample_rate=cfg.sample_rate,
    script:
        "../scripts/train.py"


rule train_separator:
    input:
        train=separator_data,
        dev="results/mixtures/dev/mixtures.csv",
        front=front_for_training,
        denoised_train=denoised_for_training,
        denoised_dev=denoised_for_dev,
        init=separator_init,
    output:
        weights="results/models/separators/{separator}/{condition}/model.safetensors",
        history="results/models/separators/{separator}/{condition}/history.csv",
    log:
        "<logs>/training/separator_{separator}_{condition}.log",
    benchmark:
        "<benchmarks>/train_separator/{separator}_{condition}.tsv"
    conda:
        "../../envs/models.yaml"
    threads: training_threads
    resources:
        gpu=training_gpus,
    params:
        job=separator_job,
        sample_rate=cfg.sample_rate,
    script:
        "../scripts/train.py"
