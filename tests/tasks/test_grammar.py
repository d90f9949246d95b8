"""Names are parsed and written in the same form, and invalid names are refused."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import PipelineError
from pipeline.tasks.grammar import (
    CLEAN,
    CONDITION,
    NAME,
    NOISY,
    RUNNABLE,
    TESTED,
    UNTRAINED,
    Condition,
    ModelKey,
    Reference,
    System,
    denoiser_after,
    split_heading,
)

names = st.from_regex(f"^{NAME}$", fullmatch=True)
denoised = st.builds(Condition, st.just("denoised"), names, st.integers(0, 100))
conditions = st.one_of(st.sampled_from([CLEAN, NOISY, UNTRAINED]), denoised)
models = st.builds(ModelKey, names, names, conditions, st.integers(0, 1000))
steps = st.one_of(st.just(""), st.just("chosen"), names.map(lambda name: f"denoised-{name}"))
systems = st.builds(System, models, conditions, st.one_of(st.none(), conditions), steps)


@given(conditions)
def test_a_condition_is_parsed_as_it_is_spelled(condition):
    assert Condition.parse(str(condition)) == condition
    assert re.fullmatch(CONDITION, str(condition))


@given(systems)
def test_a_system_is_parsed_as_it_is_spelled(system):
    assert System.parse(system.path) == system
    assert ModelKey.parse(system.model.path) == system.model
    assert re.fullmatch(TESTED, system.heading)


@given(systems)
def test_the_columns_of_a_system_are_the_parts_of_its_path(system):
    assert "/".join(map(str, system.columns.values())) == system.path


def test_names_that_a_run_needs():
    parsed = System.parse("extract/spex_plus/denoised-dfn-dry20/2/noisy+clean--denoised-dfn")
    model = ModelKey("extract", "spex_plus", Condition("denoised", "dfn", 20), 2)
    assert parsed == System(model, NOISY, CLEAN, "denoised-dfn")


@given(systems)
def test_a_heading_is_split_into_its_parts(system):
    assert split_heading(system.heading) == (system.tested, system.reference, system.after)


@pytest.mark.parametrize(
    ("heading", "runs"),
    [
        ("noisy", True),
        ("denoised-x", True),
        ("noisy--denoised-x", True),
        ("denoised-x--denoised-y", True),
        ("denoised-x-dry20", False),  # of which only scores are kept
        ("noisy--chosen", False),
        ("noisy--denoised-x--denoised-y", False),
    ],
)
def test_headings_of_systems_that_have_estimates(heading, runs):
    assert bool(re.fullmatch(RUNNABLE, heading)) == runs


def test_the_denoiser_of_the_step_after_a_model():
    assert [denoiser_after(step) for step in ("denoised-x", "chosen", "")] == ["x", "", ""]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("denoisers.conv_tasnet", ("denoisers", "conv_tasnet", None)),
        ("separators.direct/noisy", ("separators", "direct", NOISY)),
        ("separators.direct/denoised-x", ("separators", "direct", Condition("denoised", "x"))),
    ],
)
def test_a_model_is_referred_to_in_one_way(text, parts):
    assert Reference.parse(text) == Reference(*parts)
    assert str(Reference(*parts)) == text


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (Condition.parse, "denoised"),
        (Condition.parse, "denoised-"),
        (Condition.parse, "denoised-x-dry0"),
        (Condition.parse, "denoised-x-dry101"),
        (Condition.parse, "Noisy"),
        (Condition.parse, "noisy\n"),
        (ModelKey.parse, "separate/direct/noisy"),
        (ModelKey.parse, "separate/direct/noisy/first"),
        (ModelKey.parse, "separate/direct/noisy/00"),
        (ModelKey.parse, "separate/direct/noisy/\N{SUPERSCRIPT TWO}"),
        (ModelKey.parse, "separate/Direct/noisy/0"),
        (System.parse, "separate/direct/noisy/0/noisy/clean"),
        (System.parse, "separate/direct/noisy/0/noisy--twice"),
        (Reference.parse, "direct/noisy"),
        (Reference.parse, "separators.direct/loud"),
    ],
)
def test_an_invalid_name_is_refused(parse, text):
    with pytest.raises(PipelineError, match=r"is not a|does not refer"):
        parse(text)


@pytest.mark.parametrize(
    ("parse", "wrong", "right"),
    [
        (Condition.parse, "demucs", "denoised-demucs"),
        (ModelKey.parse, "direct/noisy/0", "separate/direct/noisy/0"),
        (System.parse, "separate/direct/noisy/0", "separate/direct/noisy/0/noisy"),
        (Reference.parse, "direct", "separators.direct"),
    ],
)
def test_a_name_is_taken_once_it_is_written_as_its_line_says(parse, wrong, right):
    with pytest.raises(PipelineError, match="; write "):
        parse(wrong)
    assert parse(right)
