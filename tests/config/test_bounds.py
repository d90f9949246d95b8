from copy import deepcopy

import pytest
from workspace import merge

from pipeline.base.errors import PipelineError
from pipeline.config import Config, Training, load_config
from pipeline.models import MODELS, check_networks, parse_arguments

SMALLEST = {
    "denoisers": {"small": {"model": "conv_tasnet"}},
    "separators": {"small": {"model": "conv_tasnet", "conditions": ["clean"]}},
}
ENDS = {"exclusiveMinimum", "minimum"}, {"exclusiveMaximum", "maximum"}


def numbers(schema, path=()):
    """Every number in a JSON schema, with the keys that lead to it."""
    if isinstance(schema, list):
        for item in schema:
            yield from numbers(item, path)
    elif isinstance(schema, dict):
        if schema.get("type") in ("integer", "number"):
            yield path, schema
        for key, value in schema.items():
            if key not in ("default", "enum", "const"):
                yield from numbers(value, (*path, key))


ARGUMENTS = [
    (type(parse_arguments(name, {})), 2 if entry.trained else 0)
    for name, entry in MODELS.items()
    if name not in ("chain", "pretrained")  # which have no numbers, and no defaults
]


@pytest.mark.parametrize("section, fewest", [(Config, 5), (Training, 5), *ARGUMENTS])
def test_every_number_has_a_least_and_a_most(section, fewest):
    found = list(numbers(section.model_json_schema()))
    assert len(found) >= fewest
    for path, number in found:
        if "enum" not in number and "const" not in number:
            assert all(number.keys() & end for end in ENDS), path


def given(key, value):
    """The smallest configuration with one dotted key set."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return merge(deepcopy(SMALLEST), value)


@pytest.mark.parametrize(
    "key, value, cause",
    [
        ("seed", 5_000_000_000, "less than or equal to 4294967295, not 5000000000"),
        ("training.segment_seconds", 1.0e-5, "greater than or equal to 0.1, not 1e-05"),
        ("training.learning_rate", 1.0e308, "less than or equal to 100, not 1e+308"),
        ("inference.max_seconds", 1.0e-5, "greater than or equal to 0.1, not 1e-05"),
        ("inference.max_seconds", 1.0e308, "less than or equal to 1000000, not 1e+308"),
        ("evaluation.bootstrap_samples", 1.0e11, "less than or equal to 100000, not 1000000"),
        ("evaluation.bootstrap_samples", 1, "greater than or equal to 100, not 1"),
        ("mixtures.hours", {"train": 1e9, "dev": 1, "test": 1}, "less than or equal to 100000"),
        ("mixtures.noise_snr", [-1e308, 3], "greater than or equal to -150, not -1e+308"),
        ("mixtures.noise_snr_levels", [0, 1e9], "less than or equal to 150, not 1000000000"),
        ("mixtures.join_silence", 1e9, "less than or equal to 60, not 1000000000"),
        ("mixtures.peak", 1e-320, "greater than or equal to 0.001, not 1e-320"),
        ("corpora.demo.noise_seconds", 1e-5, "greater than or equal to 1, not 1e-05"),
        ("machine.threads", 10**9, "less than or equal to 1024, not 1000000000"),
        ("denoisers.small.training.segment_seconds", 1e-5, "greater than or equal to 0.1"),
        ("denoisers.small.arguments.X", 64, "less than or equal to 20, not 64"),
        ("denoisers.small.arguments.B", 10**9, "less than or equal to 16384, not 1000000000"),
    ],
)
def test_values_that_overflow_or_never_end_are_refused_before_the_start(key, value, cause):
    with pytest.raises(PipelineError) as error:
        check_networks(load_config(given(key, value)))
    line = str(error.value)
    assert line.startswith(f"config: {key}") and f"Input should be {cause}" in line


@pytest.mark.parametrize(
    "key, value",
    [
        ("seed", 2**32 - 1),
        ("training.segment_seconds", 0.1),
        ("inference", {"max_seconds": 0.1, "overlap_seconds": 0.05}),
        ("evaluation.bootstrap_samples", 100_000),
        ("mixtures.speech_rms", [-25, -25]),
    ],
)
def test_the_ends_themselves_are_allowed(key, value):
    check_networks(load_config(given(key, value)))
