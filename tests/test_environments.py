"""One version of every package: the environments of the rules, pyproject.toml, the lock."""

import ast
import re
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest
import yaml

from pipeline.models import MODELS

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
MODULES = sorted((ROOT / "pipeline").rglob("*.py"))
DISTRIBUTIONS = {"PIL": "pillow", "yaml": "pyyaml"}  # module names differ from these
# Imported if they are installed, or if the configuration names them.
OPTIONAL = {"torch_stoi", "mlflow", "clearml", "wandb"}


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(requirements):
    """Distribution to version, for requirements with a version."""
    pairs = (re.fullmatch(r"([\w.-]+)==(\S+)", line.strip()) for line in requirements)
    return {normal(pair[1]): pair[2] for pair in pairs if pair}


def pip_requirements(environment):
    dependencies = yaml.safe_load(environment.read_text(encoding="utf-8"))["dependencies"]
    return next(entry["pip"] for entry in dependencies if isinstance(entry, dict))


def names_of(requirements):
    return {normal(re.match(r"[\w.-]+", line)[0]) for line in requirements}


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DECLARED = [*PROJECT["dependencies"], *chain(*PROJECT["optional-dependencies"].values())]
LOCK = (ROOT / "envs/constraints.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.name)
def test_environments_have_the_versions_of_the_project(environment):
    requirements = pip_requirements(environment)
    unpinned = [line for line in requirements if not pins([line])]
    assert set(unpinned) <= set(PROJECT["dependencies"])  # with the version of the project
    assert pins(requirements).items() <= pins(DECLARED).items()


def test_the_lock_has_the_versions_of_the_project():
    assert pins(DECLARED).items() <= pins(LOCK).items()


def test_packages_of_denoisers_have_one_version():
    """They are installed without dependencies, and so are no extra of the project."""
    file = ROOT / "envs/denoisers.txt"
    packages = [entry.package for entry in MODELS.values() if entry.package]
    versions = {package.name: package.version for package in packages}
    assert pins(file.read_text(encoding="utf-8").splitlines()) == versions
    assert versions.items() <= pins(LOCK).items()


def test_the_lock_names_everything_once():
    names = [normal(line.split("==")[0]) for line in LOCK if "==" in line]
    assert len(names) == len(set(names))


NETWORKS, LOSSES = ROOT / "pipeline/models", ROOT / "pipeline/losses"


def rules():
    """Every rule's name and text, by file."""
    for path in sorted((ROOT / "workflow/rules").glob("*.smk")):
        parts = re.split(r"^rule (\w+):\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        yield from ((path, name, text) for name, text in zip(parts[1::2], parts[2::2], strict=True))


SCRIPTED = [pytest.param(*rule, id=rule[1]) for rule in rules() if "script:" in rule[2]]


def directive(text, name):
    """The quoted strings below a directive of a rule."""
    found = re.search(rf'^    {name}:\n        "([^"]+)"', text, flags=re.MULTILINE)
    assert found, f"no {name}:"
    return found[1]


def test_every_stage_has_rules_with_scripts():
    files = {param.values[0].stem for param in SCRIPTED}
    stages = {"corpora", "mixtures", "training", "inference", "evaluation", "report"}
    assert files == stages


@pytest.mark.parametrize("path, name, text", SCRIPTED)
def test_every_rule_logs_in_an_environment_of_ours(path, name, text):
    assert directive(text, "log").startswith(f"<logs>/{path.stem}/")
    assert directive(text, "benchmark").startswith(f"<benchmarks>/{name}/")
    assert (path.parent / directive(text, "conda")).resolve() in ENVIRONMENTS
    assert (path.parent / directive(text, "script")).is_file()


def imports(path, in_functions=True):
    """Dotted names a file imports, in functions too or not, but not for type checking alone."""
    nodes = [ast.parse(path.read_text(encoding="utf-8"))]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            nodes.extend(node.orelse)
            continue
        if isinstance(node, ast.FunctionDef) and not in_functions:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        nodes.extend(ast.iter_child_nodes(node))


def third_party(names):
    """The distributions of the modules that are neither in Python's library nor ours."""
    tops = {name.split(".")[0] for name in names} - OPTIONAL - {"pipeline", "snakemake"}
    return {normal(DISTRIBUTIONS.get(top, top)) for top in tops - sys.stdlib_module_names}


def ours(name):
    """The files of `pipeline` that run when a dotted name is imported."""
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        at = ROOT.joinpath(*parts[:end])
        yield from (path for path in (at / "__init__.py", at.with_suffix(".py")) if path.exists())


def imported_by(script):
    """Dotted names that a script and all of `pipeline` that it reaches can come to import.

    The registries of networks and losses import torch in functions, which are called only where
    a network is built: by whatever reads weights.
    """
    names = names_reached(script, builds=False)
    return names_reached(script, builds=True) if "pipeline.models.weights" in names else names


def names_reached(script, builds):
    names, found, waiting = set(), set(), [script]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            registry = (
                path.parent == LOSSES or path.parents[1] == NETWORKS or path.parent == NETWORKS
            )
            here = set(imports(path, builds or not registry))
            names |= here | {name.rpartition(".")[0] for name in here if "." in name}
            waiting.extend(chain.from_iterable(ours(n) for n in here if n.startswith("pipeline")))
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_imports_are_declared(path):
    assert third_party(imports(path)) <= names_of(DECLARED)


@pytest.mark.parametrize("path, name, text", SCRIPTED)
def test_an_environment_holds_the_imports_of_its_rule(path, name, text):
    script = path.parent / directive(text, "script")
    environment = path.parent / directive(text, "conda")
    assert third_party(imported_by(script)) <= names_of(pip_requirements(environment))
