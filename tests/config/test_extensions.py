"""Python files of a user, which the configuration names."""

import sys

import pytest

from pipeline.base.errors import PipelineError
from pipeline.config import load_config
from pipeline.config.extensions import LOADED, load_extensions
from pipeline.models import MODELS, check_networks
from pipeline.tasks import TASKS

SMALLEST = {
    "denoisers": {"d": {"model": "conv_tasnet"}},
    "separators": {"s": {"model": "conv_tasnet", "conditions": ["noisy"]}},
}
TASK = """
from dataclasses import replace
from pipeline.models import MODELS
from pipeline.tasks import TASKS, Task

def first(num_speakers):
    return ["s1"]

TASKS["extract"] = Task("extract", "extractors", first, False, {"si_sdr": 1}, ("signal",))
MODELS["extractor"] = replace(MODELS["conv_tasnet"], tasks=("extract",))
"""


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    """Leave registries and modules as they were."""
    for registry in (MODELS, TASKS):
        for name in set(registry) | {"extract", "extractor"}:
            monkeypatch.setitem(registry, name, registry.get(name))
            if registry[name] is None:
                del registry[name]
    yield
    for name in LOADED:
        del sys.modules[name]
    LOADED.clear()


def refused(*paths):
    with pytest.raises(PipelineError) as error:
        load_config(SMALLEST | {"extensions": list(map(str, paths))})
    return str(error.value)


def test_a_task_of_a_file_has_its_section(tmp_path):
    (path := tmp_path / "mine.py").write_text(TASK)
    own = {"extractors": {"e": {"model": "extractor", "conditions": ["noisy", "denoised-d"]}}}
    config = load_config(SMALLEST | {"extensions": [str(path)]} | own)
    check_networks(config)
    assert config.extractors["e"].conditions == ["noisy", "denoised-d"]
    assert list(LOADED.values()) == [str(path)]


def test_conditions_of_its_networks_are_checked(tmp_path):
    (path := tmp_path / "mine.py").write_text(TASK)
    own = {"extractors": {"e": {"model": "extractor", "conditions": ["denoised-x"]}}}
    values = SMALLEST | {"extensions": [str(path)]} | own
    with pytest.raises(PipelineError) as error:
        load_config(values)
    assert str(error.value) == (
        "config: extractors.e.conditions: 'denoised-x' is not one of clean, noisy, denoised-d;"
        " declare the denoiser under denoisers: first"
    )
    load_config(values | {"denoisers": SMALLEST["denoisers"] | {"x": {"model": "conv_tasnet"}}})


def test_a_network_is_for_its_tasks_alone(tmp_path):
    (path := tmp_path / "mine.py").write_text(TASK)
    values = SMALLEST | {"extensions": [str(path)]}
    wrong = values | {"denoisers": {"d": {"model": "extractor"}}}
    with pytest.raises(PipelineError) as error:
        check_networks(load_config(wrong))
    assert str(error.value) == (
        "config: denoisers.d.model: 'extractor' is not for the task denoise; allowed:"
        " conv_tasnet, dprnn, sudormrf"
    )
    check_networks(load_config(values))  # with one of those that are allowed


def test_a_file_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refused("mine.py") == (
        f"extensions: mine.py (relative to the working folder {tmp_path}): no such file; check the"
        " path"
    )
    (tmp_path / "mine.py").write_text("")
    load_config(SMALLEST | {"extensions": ["mine.py"]})


def test_a_file_that_fails_is_named_with_the_cause(tmp_path):
    (path := tmp_path / "mine.py").write_text("import nowhere")
    assert refused(path) == (
        f"extensions: {path}: cannot be imported (ModuleNotFoundError: No module named 'nowhere');"
        " mend it"
    )
    path.write_text("")
    load_config(SMALLEST | {"extensions": [str(path)]})


def test_a_file_of_another_kind_is_refused(tmp_path):
    (path := tmp_path / "mine.txt").write_text("")
    assert refused(path) == f"extensions: {path}: is not a Python file; name it .py"
    load_config(SMALLEST | {"extensions": [str(path.rename(tmp_path / "mine.py"))]})


def test_two_files_of_one_name_are_refused(tmp_path):
    paths = [tmp_path / folder / "mine.py" for folder in "ab"]
    for path in paths:
        path.parent.mkdir()
        path.write_text("")
    assert refused(*paths) == (
        f"extensions: {paths[1]} and {paths[0]} have one name; rename one of them"
    )
    renamed = paths[1].rename(tmp_path / "b/other.py")
    load_config(SMALLEST | {"extensions": [str(paths[0]), str(renamed)]})


def test_a_file_is_loaded_once(tmp_path):
    (path := tmp_path / "mine.py").write_text(TASK)
    load_extensions([str(path)])
    task = TASKS["extract"]
    load_extensions([str(path), str(path)])
    assert TASKS["extract"] is task


@pytest.mark.parametrize(
    "written", ['TASKS["extrakt"] = Task("extract", "e"', 'TASKS["e-x"] = Task("e-x", "e"']
)
def test_a_task_with_an_impossible_name_is_refused(tmp_path, written):
    text = "from pipeline.tasks import TASKS, Task\n"
    rest = ', lambda n: ["s1"], False, {"snr": 1}, ("signal",))'
    (path := tmp_path / "mine.py").write_text(text + written + rest)
    key = written.split('"')[1]
    try:
        assert refused(path) == (
            f"extensions: {path}: the task '{key}' with the section 'e' cannot be added; choose"
            " names of a-z, 0-9 and _ that no other task has, and the same name in TASKS"
        )
    finally:
        TASKS.pop(key)
    path.write_text(text + 'TASKS["extract"] = Task("extract", "e"' + rest)  # as it says
    (again := path.rename(tmp_path / "again.py")).touch()
    load_config(SMALLEST | {"extensions": [str(again)]})


def test_a_section_that_is_taken_is_refused(tmp_path):
    (path := tmp_path / "mine.py").write_text(TASK.replace("extractors", "conditions"))
    assert refused(path) == "extensions: the section 'conditions' of a task is taken; rename it"
    TASKS.pop("extract")
    (again := tmp_path / "again.py").write_text(TASK)
    load_config(SMALLEST | {"extensions": [str(again)]})


def test_a_home_that_is_unknown_is_refused(tmp_path):
    assert refused("~nobody_at_all/mine.py") == (
        "extensions: no home folder is known for '~nobody_at_all/mine.py'; write the path without ~"
    )
    (path := tmp_path / "mine.py").write_text("")
    load_config(SMALLEST | {"extensions": [str(path)]})


@pytest.mark.parametrize("given", ["mine.py", [3], {"a": 1}])
def test_other_than_a_list_of_paths_is_refused(given):
    with pytest.raises(PipelineError, match=r"^config: extensions"):
        load_config(SMALLEST | {"extensions": given})
