# The typed configuration and what the rules derive from it: names, systems, inputs, parameters.
import os
import sys
from pathlib import Path

from pipeline.config import SPLITS, load_config
from pipeline.errors import PipelineError
from pipeline.models import check_networks

try:
    cfg = load_config(config)
    check_networks(cfg)
except PipelineError as error:
    sys.exit(f"error: {error}")
if not os.access(Path.cwd(), os.W_OK):
    sys.exit(
        f"error: {Path.cwd()}: cannot be written; choose a folder with --directory"
    )

# "<separator>/<condition>" for every separator that is trained.
TRAINED_SEPARATORS = [
    f"{name}/{condition}"
    for name, separator in cfg.separators.items()
    for condition in separator.conditions
]
# "<separator>/<trained>/<tested>": every trained separator hears every test condition.
SYSTEMS = [
    f"{trained}/{tested}" for trained in TRAINED_SEPARATORS for tested in cfg.conditions
]
EVALUATION = cfg.evaluation.model_dump(mode="json")
GPU = 0 if cfg.machine.device == "cpu" else 1


scattergather:
    shards=cfg.shards,


wildcard_constraints:
    corpus="speech|noise",
    split="train|dev|test",
    denoiser="[a-z0-9_]+",
    separator="[a-z0-9_]+",
    condition="clean|noisy|denoised-[a-z0-9_]+",
    trained="clean|noisy|denoised-[a-z0-9_]+",
    tested="clean|noisy|denoised-[a-z0-9_]+",


def require_gpu():
    """Stop at once where a GPU is asked for and the jobs would run here without one."""
    if cfg.machine.device == "cuda" and workflow.local_exec:
        from pipeline.devices import open_device

        try:
            open_device(cfg.machine)
        except PipelineError as error:
            sys.exit(f"error: {error}")


def denoised_set(condition, split):
    """The denoised mixtures a condition needs, as a list of no or one manifest."""
    if not condition.startswith("denoised-"):
        return []
    name = condition.removeprefix("denoised-")
    return [f"results/estimates/denoised/{name}/{split}/estimates.csv"]


def denoised_for_training(wildcards):
    return denoised_set(wildcards.condition, "train")


def denoised_for_dev(wildcards):
    return denoised_set(wildcards.condition, "dev")


def denoised_for_test(wildcards):
    return denoised_set(wildcards.tested, "test")


def training_job(role, name, condition):
    """What decides the weights of one model: a change here, and only here, trains it again."""
    network = getattr(cfg, f"{role}s")[name]
    return {
        "role": role,
        "condition": condition,
        "model": network.model,
        "arguments": network.arguments,
        "init_from": network.init_from,
        "training": cfg.training_of(f"{role}s", name).model_dump(mode="json"),
        "seed": cfg.seed,
    }


def denoiser_job(wildcards):
    return training_job("denoiser", wildcards.denoiser, "noisy")


def separator_job(wildcards):
    return training_job("separator", wildcards.separator, wildcards.condition)


def init_weights(role, name):
    """Weights to start from, as an input where they are a file of ours."""
    source = getattr(cfg, role)[name].init_from or ""
    return [source] if source.endswith(".safetensors") else []


def denoiser_init(wildcards):
    return init_weights("denoisers", wildcards.denoiser)


def separator_init(wildcards):
    return init_weights("separators", wildcards.separator)
