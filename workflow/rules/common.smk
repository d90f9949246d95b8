# The typed configuration and what the rules derive from it: names, systems, inputs, parameters.
import os
import sys
from pathlib import Path
from types import SimpleNamespace

from pipeline.config import SPLITS, load_config
from pipeline.config.files import read_file
from pipeline.config.layers import choose_models
from pipeline.corpora.catalogue import check_download, librimix_parts
from pipeline.base.errors import PipelineError
from pipeline.evaluation.extras import check_extras
from pipeline.base.jobs import LOGS, cause_of
from pipeline.models import check_networks
from pipeline.base.recovery import only_asks, parsed, recover

try:
    for line in choose_models(config, read_file(DEMO), LAID_OVER):
        if workflow.is_main_process:
            logger.info(line)
    cfg = load_config(config)
    check_networks(cfg)
    check_download(cfg)
    # Jobs with an environment of their own do not need the packages here.
    if not workflow.deployment_settings.deployment_method:
        check_extras(cfg)
except PipelineError as error:
    sys.exit(f"error: {error}")
if not os.access(Path.cwd(), os.W_OK):
    sys.exit(
        f"error: {Path.cwd()}: cannot be written; choose a folder with --directory"
    )
if workflow.is_main_process:
    try:
        arguments, here = sys.argv[1:], workflow.local_exec
        for line in recover(Path(".snakemake"), LOGS, arguments, here):
            logger.warning(line)
    except (OSError, PipelineError) as error:
        sys.exit(f"error: {cause_of(error) or error}")

# "<separator>/<condition>" for every separator that is trained.
TRAINED_SEPARATORS = [
    f"{name}/{condition}"
    for name, separator in cfg.separators.items()
    for condition in separator.conditions
]
# Folders of all trained models below results/models/, denoisers first.
MODELS = [f"denoisers/{name}" for name in cfg.denoisers]
MODELS += [f"separators/{name}" for name in TRAINED_SEPARATORS]
# "<separator>/<trained>/<tested>": every trained separator hears every test condition.
SYSTEMS = [
    f"{trained}/{tested}" for trained in TRAINED_SEPARATORS for tested in cfg.conditions
]
# What of the mixtures decides their audio once they are drawn, or read from LibriMix's metadata.
HEARD = {"kind", "mix_single", "peak" if cfg.mixtures.kind == "drawn" else "mode"}
RENDERING = cfg.mixtures.model_dump(mode="json", include=HEARD)
# What the page is made of: modules, templates, styles and scripts.
REPORT_SOURCES = sorted(
    str(path)
    for path in Path(workflow.basedir, "pipeline/report").rglob("*.*")
    if path.suffix in (".py", ".html", ".css", ".js")
)
# Facts of the run, kept as it starts; undeclared, since they are new at every start.
RUN_FACTS = "results/logs/run.json"
GPU = 0 if cfg.machine.device == "cpu" else 1


scattergather:
    shards=cfg.shards,


wildcard_constraints:
    corpus="speech|noise",
    split="train|dev|test",
    measure="signal|dnsmos|asr",
    denoiser="[a-z0-9_]+",
    separator="[a-z0-9_]+",
    condition="clean|noisy|denoised-[a-z0-9_]+",
    trained="clean|noisy|denoised-[a-z0-9_]+",
    tested="clean|noisy|denoised-[a-z0-9_]+",


def require_gpu():
    """Stop at once where a GPU is asked for and the jobs would run here without one."""
    if cfg.machine.device == "cuda" and workflow.local_exec:
        from pipeline.models.devices import open_device

        try:
            open_device(cfg.machine)
        except PipelineError as error:
            sys.exit(f"error: {error}")


def record_start():
    """Keep beside the logs what the run is, for the report."""
    from pipeline.base.provenance import record_run

    record_run(Path(RUN_FACTS), workflow.dag, Path(workflow.basedir))


def drawn_mixtures(wildcards):
    """What decides the draws of one split: other splits and keys not looked at change nothing."""
    given = cfg.mixtures
    unused = {
        "counts": given.hours is not None,
        "speech_lufs": given.speech_rms is not None,
        "noise_speeds": wildcards.split != "train",
        "noise_snr": given.noise_rule != "wham" or given.noise_snr_levels,
        "noise_snr_levels": given.noise_rule != "wham",
        "noise_lufs": given.noise_rule != "librimix",
    }
    left_out = {"kind", "librimix", "mix_single"} | {k for k, v in unused.items() if v}
    settings = given.model_dump(mode="json", exclude=left_out)
    for amounts in filter(None, map(settings.get, ("counts", "hours"))):
        amounts |= dict.fromkeys(amounts, amounts[wildcards.split])
    return settings


def working_folder(wildcards):
    """Where the run is; as a plain parameter, braces in its name would be wildcards."""
    return str(Path.cwd())


def librimix_given(wildcards):
    """LibriMix's metadata of a split in the user's folder, if one is named."""
    given = cfg.mixtures.librimix
    if given.metadata is None:
        return []
    stem = f"{given.metadata}/libri{cfg.mixtures.num_speakers}mix"
    return [f"{stem}_{name}.csv" for name in getattr(given.subsets, wildcards.split)]


def librimix_fetched(wildcards):
    """Lists of the metadata files of a split that are downloaded."""
    if cfg.mixtures.librimix.metadata is not None:
        return []
    parts = librimix_parts(cfg, wildcards.split)
    return [f"results/corpora/download/{part}.csv" for part in parts]


def denoised_set(condition, split):
    """The denoised mixtures a condition needs, as a list of no or one manifest."""
    if not condition.startswith("denoised-"):
        return []
    name = condition.removeprefix("denoised-")
    return [f"results/estimates/denoised/{name}/{split}/estimates.csv"]


def is_dynamic(role, name):
    """Whether a model draws its mixtures as it trains."""
    return cfg.training_of(role, name).data == "dynamic"


DYNAMIC = [
    is_dynamic(role, name)
    for role in ("denoisers", "separators")
    for name in getattr(cfg, role)
]
# Corpora and splits that a whole run needs: not what is drawn as a model trains, and not at the
# workflow's rate what LibriMix's metadata take from the files as they lie.
CONVERTED = ["speech", "noise"] if cfg.mixtures.kind == "drawn" or any(DYNAMIC) else []
MIXTURES = ["mixtures.csv", "metadata"]  # of a split
RENDERED = [split for split in SPLITS if split != "train" or not all(DYNAMIC)]


def training_data(role, name):
    """The rendered train split, or what fresh mixtures are drawn from."""
    if is_dynamic(role, name):
        return ["results/corpora/speech.csv", "results/corpora/noise.csv"]
    return ["results/mixtures/train/mixtures.csv"]


def denoiser_data(wildcards):
    return training_data("denoisers", wildcards.denoiser)


def separator_data(wildcards):
    return training_data("separators", wildcards.separator)


def denoised_for_training(wildcards):
    if is_dynamic("separators", wildcards.separator):
        return []
    return denoised_set(wildcards.condition, "train")


def front_for_training(wildcards):
    """The denoiser that fresh mixtures of a denoised condition go through, if there is one."""
    name = wildcards.condition.removeprefix("denoised-")
    if name == wildcards.condition or not is_dynamic("separators", wildcards.separator):
        return []
    return [f"results/models/denoisers/{name}/model.safetensors"]


def denoised_for_dev(wildcards):
    return denoised_set(wildcards.condition, "dev")


def denoised_for_test(wildcards):
    return denoised_set(wildcards.tested, "test")


def is_timed(wildcards):
    """Latency is stated of the test split: its mixtures run one at a time."""
    return wildcards.split == "test"


# What goes through alone does not depend on how many would go at once.
TIMED_INFERENCE = cfg.inference.model_dump(mode="json", exclude={"batch_size"})


def inference_settings(wildcards):
    return (
        TIMED_INFERENCE
        if is_timed(wildcards)
        else cfg.inference.model_dump(mode="json")
    )


def batched_runs():
    """Folders of denoised sets that separators train on, below results/estimates/."""
    heard = [
        (c.removeprefix("denoised-"), split)
        for name, separator in cfg.separators.items()
        for split in ("train", "dev")
        for c in separator.conditions
        if c.startswith("denoised-")
        and not (split == "train" and is_dynamic("separators", name))
    ]
    return [f"denoised/{name}/{split}" for name, split in dict.fromkeys(heard)]


BATCHED = batched_runs()
TIMED = [f"denoised/{name}/test" for name in cfg.denoisers]
TIMED += [f"separated/{name}" for name in SYSTEMS]


def fresh_mixtures():
    """What decides the mixtures that are drawn in training: a piece has neither end nor mode."""
    settings = drawn_mixtures(SimpleNamespace(split="train"))
    del settings["mode"]
    return settings


def training_job(role, name, condition):
    """What decides the weights of one model: a change here, and only here, trains it again."""
    network, dynamic = getattr(cfg, f"{role}s")[name], is_dynamic(f"{role}s", name)
    training = cfg.training_of(f"{role}s", name).model_dump(mode="json")
    del training["devices"]  # they share the same batches
    if not dynamic:
        del training["speech_speed"]
    return {
        "role": role,
        "condition": condition,
        "model": network.model,
        "arguments": network.arguments,
        "init_from": network.init_from,
        "training": training,
        "mixtures": fresh_mixtures() if dynamic else None,
        "seed": cfg.seed,
    }


def devices_of(wildcards):
    """How many devices train one model together."""
    role = "denoisers" if hasattr(wildcards, "denoiser") else "separators"
    return cfg.training_of(role, getattr(wildcards, role[:-1])).devices


def training_threads(wildcards):
    return cfg.machine.threads * devices_of(wildcards)


def training_gpus(wildcards):
    return GPU * devices_of(wildcards)


def denoiser_job(wildcards):
    return training_job("denoiser", wildcards.denoiser, "noisy")


def separator_job(wildcards):
    return training_job("separator", wildcards.separator, wildcards.condition)


def init_weights(role, name):
    """Weights to start from, as an input where they are a file and no name of a hub."""
    source = getattr(cfg, role)[name].init_from or ""
    is_file = source.endswith(".safetensors") or Path(source).is_file()
    return [source] if is_file else []


def denoiser_init(wildcards):
    return init_weights("denoisers", wildcards.denoiser)


def separator_init(wildcards):
    return init_weights("separators", wildcards.separator)


def measured(wildcards):
    """What decides the values of one measure."""
    return cfg.evaluation.settings_of(wildcards.measure)


def scoring_threads(wildcards):
    """Processes of one job. A model that listens is opened once, and runs on one thread."""
    return cfg.machine.threads if wildcards.measure == "signal" else 1


def texts_to_compare(wildcards):
    """What the speakers say, for the measure that looks at it."""
    if wildcards.measure != "asr":
        return []
    return f"results/scores/asr/reference/{wildcards.scatteritem}.csv"


def recogniser(wildcards):
    """Files of the model that recognises speech, for the measure that looks at them."""
    asr = cfg.evaluation.asr
    if (
        asr is None
        or asr.model is None
        or getattr(wildcards, "measure", "asr") != "asr"
    ):
        return []
    return sorted(str(path) for path in Path(asr.model).rglob("*") if path.is_file())


def transcripts(wildcards):
    """The corpus with its transcripts, if these are what recognised speech is compared with."""
    asked = cfg.evaluation.asr and cfg.evaluation.asr.reference == "transcript"
    return ["results/corpora/speech.csv"] if asked else []
