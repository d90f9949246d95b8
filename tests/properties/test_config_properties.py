"""The configuration: any value of any key is typed, or refused in one line that names the key."""

from copy import deepcopy

import yaml
from hypothesis import given
from hypothesis import strategies as st
from workspace import ROOT

from pipeline.base.errors import PipelineError
from pipeline.config import load_config
from pipeline.models import check_networks

DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
ALL = load_config(DEFAULT).model_dump(mode="json")  # with every key that has a default


def keys_of(values, above=()):
    """Every key, including sections, as the list of keys that lead to it."""
    for key, value in values.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from keys_of(value, (*above, key))


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**30, -(10**400), 2**63, 0, -1, 1.0e-320, 1.0e308]),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["", "1e-3", "nan", "-inf", "{x}", "<b>", "\x00", "\u2028", "a\nb", "9" * 5000]
    ),
    st.dates(),
    st.binary(max_size=5),
)
names = st.one_of(
    st.text(max_size=10), st.sampled_from([*ALL, "train", "model", "training"]), scalars
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4)
)
own = st.sampled_from(
    [("training", key) for key in ALL["training"]] + [("arguments", "N"), ("", "L")]
)
keys = st.sampled_from(sorted(keys_of(ALL)))


def with_value(base, path, value):
    values = deepcopy(base)
    section = values
    for key in path[:-1]:
        section = section.setdefault(key, {})
    section[path[-1]] = value
    return values


def typed_or_refused(values, path):
    try:
        config = load_config(values)
        check_networks(config)
    except PipelineError as error:
        message = str(error)
        assert len(message.splitlines()) == 1 and message.isprintable(), message
        assert message.startswith("config: ") and len(message) < 20_000
        assert not path or path[0] in message, message
        return
    assert load_config(config.model_dump(mode="json")) == config


@given(st.sampled_from([DEFAULT, ALL]), keys, anything)
def test_any_value_at_any_key(base, path, value):
    typed_or_refused(with_value(base, path, value), path)


@given(keys, st.sampled_from([float("inf"), float("nan"), -float("inf")]))
def test_a_number_is_finite(path, value):
    typed_or_refused(with_value(ALL, path, value), path)


@given(anything)
def test_any_configuration(values):
    typed_or_refused(values, ())


@given(keys, names, anything)
def test_any_further_key(path, key, value):
    typed_or_refused(with_value(ALL, (*path[:-1], key), value), ())


def test_deep_nesting_is_refused():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    typed_or_refused(DEFAULT | {"mixtures": deep}, ("mixtures",))
