# in:  rendered mixtures, or for dynamic data the corpora that fresh ones are drawn from; for
#      models of a denoised condition the denoised mixtures as well, or the denoiser
# out: results/models/{task}/{name}/{trained}/{run}/{model.safetensors,history.csv}
# A training's state stands in an undeclared folder beside its outputs, since declared ones
# are deleted before every attempt.


rule train:
    input:
        unpack(experiment.training_inputs),
    output:
        weights="results/models/{task}/{name}/{trained}/{run}/model.safetensors",
        history="results/models/{task}/{name}/{trained}/{run}/history.csv",
    log:
        "<logs>/training/{task}_{name}_{trained}_{run}.log",
    benchmark:
        "<benchmarks>/train/{task}_{name}_{trained}_{run}.tsv"
    conda:
        "../../envs/models.yaml"
    threads: training_threads
    resources:
        gpu=training_gpus,
    params:
        job=experiment.training_job,
        sample_rate=cfg.sample_rate,
    script:
        "../scripts/train.py"


# The same for denoisers, whose output other models train on.
use rule train as train_denoiser with:
    benchmark:
        "<benchmarks>/train_denoiser/{task}_{name}_{trained}_{run}.tsv"
    wildcard_constraints:
        task="denoise",
    priority: 10


ruleorder: train_denoiser > train
