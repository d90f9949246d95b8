# The typed configuration, and names, systems, inputs and parameters that the rules derive from it.
import os
import sys
from pathlib import Path

from pipeline.base.errors import PipelineError
from pipeline.base.jobs import LOGS, cause_of
from pipeline.base.recovery import only_asks, parsed, recover
from pipeline.config import SPLITS, extensions_in, load_config
from pipeline.config.extensions import load_extensions
from pipeline.config.files import read_file
from pipeline.config.layers import choose_models
from pipeline.corpora.catalogue import check_download
from pipeline.evaluation.extras import check_extras
from pipeline.experiment import Experiment
from pipeline.models import check_networks
from pipeline.models.starts import check_starts
from pipeline.tasks import SEPARATE, TASKS, without_network
from pipeline.tasks.grammar import BUILT, IDEAL_MASK, NAME, RUN, RUNNABLE
from pipeline.losses import check_losses


def earlier_models(asks):
    """Move models of an earlier version; torch is only imported if there are some."""
    if not any(
        Path("results/models", old).exists() for old in ("denoisers", "separators")
    ):
        return []
    from pipeline.training.earlier import move_earlier

    return move_earlier(Path("results"), asks)


try:
    load_extensions(extensions_in(config))
    for line in choose_models(config, read_file(DEMO), LAID_OVER):
        if workflow.is_main_process:
            logger.info(line)
    cfg = load_config(config)
    check_networks(cfg)
    check_losses(cfg)
    check_starts(cfg)
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
        for line in recover(Path(".snakemake"), LOGS, arguments, here, earlier_models):
            logger.warning(line)
    except (OSError, PipelineError) as error:
        sys.exit(f"error: {cause_of(error) or error}")

experiment = Experiment(cfg)
MODELS = [model.path for model in experiment.models]
SYSTEMS = [system.path for system in experiment.systems]
MASKED = without_network(SEPARATE, IDEAL_MASK).path
MIXTURES = ["mixtures.csv", "metadata"]  # of a split
# The sources of the page: modules, templates, styles and scripts.
REPORT_SOURCES = sorted(
    str(path)
    for path in Path(workflow.basedir, "pipeline/report").rglob("*.*")
    if path.suffix in (".py", ".html", ".css", ".js")
)
# Facts of the run, written when it starts; undeclared, since they change at every start.
RUN_FACTS = "results/logs/run.json"
GPU = 0 if cfg.machine.device == "cpu" else 1


scattergather:
    shards=cfg.shards,


wildcard_constraints:
    corpus="speech|noise",
    split="train|dev|test",
    measure="signal|dnsmos|asr",
    task="|".join(TASKS),
    name=NAME,
    trained=BUILT,
    run=RUN,
    tested=RUNNABLE,


def require_gpu():
    """Stop at once if a GPU is requested and the jobs would run here without one."""
    if cfg.machine.device == "cuda" and workflow.local_exec:
        from pipeline.models.devices import open_device

        try:
            open_device(cfg.machine)
        except PipelineError as error:
            sys.exit(f"error: {error}")


def record_start():
    """Record the facts of the run beside the logs, for the report."""
    from pipeline.base.provenance import record_run

    record_run(Path(RUN_FACTS), workflow.dag, Path(workflow.basedir))


def working_folder(wildcards):
    """Return the working folder; in a plain parameter, braces in its name would be wildcards."""
    return str(Path.cwd())


def weights_of(task):
    """Return the weights of all models of a task."""
    models = [model.path for model in experiment.models if model.task == task]
    return expand("results/models/{model}/model.safetensors", model=models)


def shares_of(split):
    """Return the scores of a split with shares of the mixture added back."""
    swept = [f"{system.path}/{split}" for system in experiment.swept]
    return gather.shards("results/scores/dry/{system}/{scatteritem}.csv", system=swept)


def drawn_mixtures(wildcards):
    return experiment.planning(wildcards.split)


def librimix_given(wildcards):
    return experiment.librimix_given(wildcards.split)


def librimix_fetched(wildcards):
    return experiment.librimix_fetched(wildcards.split)


def training_threads(wildcards):
    return cfg.machine.threads * experiment.devices(wildcards)


def training_gpus(wildcards):
    return GPU * experiment.devices(wildcards)
