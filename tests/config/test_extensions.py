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
def forget():
    """Leave registries and modules as they were, in their order."""
    before = [(registry, dict(registry)) for registry in (MODELS, TASKS)]
    yield
    for registry, entries in before:
        registry.clear()
        registry.update(entries)
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
        " conv_tasnet, dprnn, dptnet, sudormrf, tiger, demucs, wave_u_net, gatewave,"
        " deepfilternet3, rnnoise, dtln, spectral_gating, pretrained"
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


WRONG = {
    'TASKS["extrakt"] = Task("extract", "e", first, False, {"snr": 1}, ("signal",))': (
        "the task 'extrakt': is not a Task of this name; add TASKS[name] = Task(name, …)"
    ),
    'TASKS["extract"] = 3': (
        "the task 'extract': is not a Task of this name; add TASKS[name] = Task(name, …)"
    ),
    'TASKS["e-x"] = Task("e-x", "e", first, False, {"snr": 1}, ("signal",))': (
        "the task 'e-x': its name or its section holds more than a-z, 0-9 and _; rename it"
    ),
    'TASKS["e"] = Task("e", "training", first, False, {"snr": 1}, ("signal",))': (
        "the task 'e': its section 'training' is taken; rename it"
    ),
    'TASKS["e"] = Task("e", "conditions", first, False, {"snr": 1}, ("signal",))': (
        "the task 'e': its section 'conditions' is taken; rename it"
    ),
    'TASKS["e"] = Task("e", "separators", first, False, {"snr": 1}, ("signal",))': (
        "the task 'e': its section 'separators' is taken; rename it"
    ),
    'TASKS["e"] = Task("e", "es", lambda n: 1 / 0, False, {"snr": 1}, ("signal",))': (
        "the task 'e': its targets fail (ZeroDivisionError: division by zero); mend them"
    ),
    'TASKS["e"] = Task("e", "es", lambda n: ["s9"], False, {"snr": 1}, ("signal",))': (
        "the task 'e': its targets ['s9'] are not some of mix_clean, noise, s1, s2, s3; mend them"
    ),
    'TASKS["e"] = Task("e", "es", first, False, {"snr": 1}, ("loud",))': (
        "the task 'e': 'loud' is no measure; choose of signal, dnsmos, asr"
    ),
    'del TASKS["denoise"]': "the task 'denoise' is gone or moved; leave it there",
}


@pytest.mark.parametrize("written", list(WRONG))
def test_a_wrong_task_is_one_line_and_its_cure_works(tmp_path, written):
    head = TASK.split("TASKS[")[0]
    (path := tmp_path / "mine.py").write_text(head + written)
    before = dict(TASKS)
    assert refused(path) == f"extensions: {WRONG[written]}"
    TASKS.clear()
    TASKS.update(before)
    (again := tmp_path / "again.py").write_text(TASK)  # as the line says
    load_config(SMALLEST | {"extensions": [str(again)]})


def test_a_file_that_ends_the_program_is_refused(tmp_path):
    (path := tmp_path / "mine.py").write_text("import sys; sys.exit(3)")
    assert refused(path) == f"extensions: {path}: cannot be imported (SystemExit: 3); mend it"


def test_a_path_that_snakemake_would_change_is_refused(tmp_path):
    (path := tmp_path / "a{b}.py").write_text("")
    assert refused(path).startswith("config: extensions.0: holds {, which Snakemake replaces")


def test_other_than_an_entry_is_refused(tmp_path):
    (path := tmp_path / "mine.py").write_text(
        "from pipeline.models import MODELS\nMODELS['extractor'] = 3"
    )
    values = SMALLEST | {"extensions": [str(path)], "denoisers": {"d": {"model": "extractor"}}}
    with pytest.raises(PipelineError) as error:
        check_networks(load_config(values))
    assert str(error.value) == (
        "config: denoisers.d.model: 'extractor' is no Entry in MODELS; add one"
    )
    MODELS["extractor"] = MODELS["conv_tasnet"]
    check_networks(load_config(values))


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
