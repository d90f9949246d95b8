"""The profile itself; these tests need no cluster."""

import re

import pytest
from on_cluster import PROFILE, set_profile
from workspace import ROOT


@pytest.fixture
def dry(workspace, tmp_path):
    """`dry(changes, *arguments)`: rule to its line of resources, in a dry run with the profile."""

    def run(changes=None, *arguments):
        profile = set_profile(tmp_path / "profile", changes or {})
        workspace.where = ("--workflow-profile", str(profile))
        printed = workspace.succeed("-n", *arguments)
        found = re.findall(
            r"^(?:local)?rule (\w+):\n(?:    .*\n)*?    resources: (.*)$", printed, re.M
        )
        return dict(found)

    return run


RULE = r"^ *(?:rule|use rule \w+ as) (\w+)"


def names(section):
    """Rules that a section of the profile names."""
    text = (PROFILE / "profile.v9+.yaml").read_text(encoding="utf-8")
    body = text.split(f"\n{section}:\n")[1]
    return set(re.findall(r"^  (\w+):", re.split(r"^\w", body, flags=re.M)[0], re.M))


def test_it_names_rules_that_exist():
    rules = {
        name
        for path in [ROOT / "Snakefile", *ROOT.glob("workflow/rules/*.smk")]
        for name in re.findall(
            r"^ *(?:rule|use rule \w+ as) (\w+)", path.read_text(encoding="utf-8"), re.M
        )
    }
    assert names("set-resources") and names("set-resources") <= rules


def test_every_rule_that_uses_a_gpu_goes_to_the_gpu_partition(dry):
    changes = {
        'partition = "main"': 'partition = "p"',
        'gpu_partition = "gpu"': 'gpu_partition = "q"',
    }
    for rule, resources in dry(changes).items():
        assert ("slurm_partition=q" in resources) == ("gpu=1" in resources), rule


def test_it_starts_as_it_is_without_cores(dry):
    assert "mem_mb=16000" in dry()["train_denoiser"]


def test_without_gpus_none_is_requested(dry):
    resources = dry({}, "--config", "machine={device: cpu}")
    assert not any("gpu=1" in line for line in resources.values())


def test_a_training_on_two_devices_asks_for_two_gpus(dry):
    resources = dry({}, "--config", "training={devices: 2}")
    assert "gpu=2" in resources["train"] and "gpu=1" in resources["apply"]


def test_no_rule_has_retries_of_its_own():
    for path in ROOT.glob("workflow/rules/*.smk"):
        assert "retries:" not in path.read_text(encoding="utf-8"), path
