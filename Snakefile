# Denoise, then separate: corpora -> mixtures -> training -> inference -> evaluation -> report.
import logging
import sys
from copy import deepcopy
from pathlib import Path

from snakemake.utils import min_version

from pipeline.base.errors import PipelineError
from pipeline.base.processes import stop_without_deadlock
from pipeline.base.user import name_user
from pipeline.config.files import check_files

min_version("9.12")
logging.raiseExceptions = False  # on a full disk every log line would be a traceback
name_user()

DEMO = Path(workflow.basedir, "config.yaml")
LAID_OVER = deepcopy(config)  # overrides the demo: files, and --config
if workflow.is_main_process:
    given = workflow.config_settings
    try:
        check_files([*given.configfiles, DEMO], given.config_args or ())
    except PipelineError as error:
        sys.exit(f"error: {error}")


configfile: DEMO


pathvars:
    logs="results/logs",
    benchmarks="results/benchmarks",


include: "workflow/rules/common.smk"
include: "workflow/rules/corpora.smk"
include: "workflow/rules/mixtures.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/inference.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/report.smk"


onstart:
    stop_without_deadlock()
    require_gpu()
    record_start()


# Targets, and rules that take seconds: on a cluster they run beside Snakemake.
localrules:
    all,
    corpora,
    mixtures,
    denoisers,
    separators,
    gather_corpus,
    gather_mixtures,
    librimix_metadata,
    gather_estimates,
    collect_latency,


rule corpora:
    input:
        "results/corpora/speech.csv",
        "results/corpora/noise.csv",


rule mixtures:
    input:
        expand("results/mixtures/{split}/{made}", split=SPLITS, made=MIXTURES),


rule denoisers:
    input:
        weights_of("denoise"),


rule separators:
    input:
        weights_of("separate"),


rule all:
    default_target: True
    input:
        "results/report/index.html",
        # Named here, so that missing ones are rebuilt below a finished report.
        expand("results/corpora/{corpus}.csv", corpus=experiment.converted),
        expand(
            "results/mixtures/{split}/{made}", split=experiment.rendered, made=MIXTURES
        ),
        rules.report.input,
