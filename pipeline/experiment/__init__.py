"""From the configuration to the models and systems of a run, and the inputs and parameters of jobs.

Plain Python: the rules ask it for their inputs and parameters, Snakemake's `wildcards` standing for
the model or system of a job. A parameter holds that part of the configuration which decides the
result of its job, and nothing else.
"""

from pipeline.experiment.evaluation import EvaluationJobs
from pipeline.experiment.systems import model_of, system_of

__all__ = ["Experiment", "model_of", "system_of"]


class Experiment(EvaluationJobs):
    """All models and systems of a configuration, and the jobs of each stage."""
