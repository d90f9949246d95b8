from copy import deepcopy

import pytest
import yaml
from workspace import ROOT, merge

from pipeline.config.layers import choose_models

DEMO = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
SEVERAL = {"separators": {name: {"model": "conv_tasnet"} for name in "abc"}}


def chosen(above, below=DEMO):
    """The models of each role, and the printed lines."""
    config = merge(deepcopy(below), above)
    lines = choose_models(config, below, above)
    roles = [list(config.get(role, {})) for role in ("denoisers", "separators")]
    return *roles, lines


def test_a_new_name_replaces_those_of_the_demo_with_a_message():
    new = {"denoisers": {"small": {"model": "conv_tasnet"}, "large": {"model": "conv_tasnet"}}}
    line = (
        "config: denoisers.conv_tasnet of config.yaml is left out, since other denoisers are named;"
        " to keep it, name it too: denoisers: {conv_tasnet: {}}"
    )
    separators = list(DEMO["separators"])
    assert chosen(new) == (["small", "large"], separators, [line])
    kept = merge(new, {"denoisers": {"conv_tasnet": {}}})  # as the line says
    assert chosen(kept) == (["conv_tasnet", "small", "large"], separators, [])


@pytest.mark.parametrize("change", [{}, {"seed": 1}, {"denoisers": [3]}])
def test_a_file_without_models_keeps_them(change):
    config = merge(deepcopy(DEMO), change)
    expected = deepcopy(config)
    assert choose_models(config, DEMO, change) == [] and config == expected


def test_a_change_of_one_leaves_the_others():
    own = {"denoisers": {"conv_tasnet": {"training": {"epochs": 9}}}}
    assert chosen(own) == (["conv_tasnet"], list(DEMO["separators"]), [])
    assert chosen({"separators": {"a": {"arguments": {"X": 4}}}}, SEVERAL)[1:] == (list("abc"), [])


@pytest.mark.parametrize("null", [None, "null", "~"])  # --config reads null as text
def test_null_takes_a_model_out(null):
    assert chosen({"separators": {"b": null}}, SEVERAL)[1:] == (["a", "c"], [])
    both = {"denoisers": {"conv_tasnet": null, "other": {"model": "conv_tasnet"}}}
    assert chosen(both) == (["other"], list(DEMO["separators"]), [])
    assert chosen({"denoisers": {"conv_tasnet": null}})[0] == []  # refused because it is empty


@pytest.mark.parametrize("null", [None, "null", "~"])
def test_null_takes_all_models_of_a_section_out(null):
    assert chosen({"separators": null}) == (["conv_tasnet"], [], [])
    assert chosen({"denoisers": null}) == ([], list(DEMO["separators"]), [])
