"""Sources that are denoised, and an oracle, added to a finished run: from estimates to the page."""

import json

import pandas as pd
import pytest
import yaml
from workspace import SMOKE

AFTER = "denoised-conv_tasnet"
ADDED = {
    "separators": {"conv_tasnet": {"then_denoise": ["conv_tasnet"]}},
    "evaluation": {"oracles": ["ideal_mask"]},
}
JOBS = {"apply": 2, "ideal_mask": 1, "gather_estimates": 3, "score": 3}
JOBS |= {"collect_latency": 1, "aggregate": 1, "report": 1}
ESTIMATES = "results/estimates/separate/conv_tasnet/noisy/0/{}/test/estimates.csv"


@pytest.fixture
def config(tmp_path):
    (tmp_path / "added.yaml").write_text(yaml.safe_dump(ADDED), encoding="utf-8")
    return SMOKE, tmp_path / "added.yaml"


def test_further_systems_train_nothing_and_go_through_every_stage(finished, tmp_path, config):
    assert finished.jobs(config=config) == JOBS
    run = finished.copy(tmp_path / "run")
    run.succeed(config=config)
    assert run.jobs(config=config) == {}

    summary = pd.read_csv(run / "scores/summary.csv")
    means = summary[summary["metric"] == "si_sdri"].set_index(["name", "trained", "tested"])["mean"]
    assert means["ideal_mask", "untrained", "noisy"] > 5 + means.drop("ideal_mask", level=0).max()
    assert ("conv_tasnet", "noisy", f"noisy--{AFTER}") in means

    costs = pd.read_csv(run / "scores/costs.csv").set_index(["task", "name", "trained", "tested"])
    direct = costs.loc["separate", "conv_tasnet", "noisy", "noisy"]
    denoiser = costs.loc["denoise", "conv_tasnet", "noisy", "noisy"]
    both = costs.loc["separate", "conv_tasnet", "noisy", f"noisy--{AFTER}"]
    added = both[["parameters", "multiply_adds"]] - direct[["parameters", "multiply_adds"]]
    assert added["parameters"] == denoiser["parameters"]
    assert added["multiply_adds"] == pytest.approx(3 * denoiser["multiply_adds"])
    compute = direct["training_compute"] + denoiser["training_compute"]
    assert both["training_compute"] == pytest.approx(compute)

    facts = json.loads((run / "scores/answer.json").read_text("utf-8"))["facts"]
    [fact] = [fact for fact in facts if fact["kind"] == "denoised-after"]
    assert (fact["denoiser"], fact["rival"]) == ("conv_tasnet", "conv_tasnet")
    assert "ideal_mask" not in pd.read_csv(run / "scores/comparisons.csv").to_string()

    times = pd.read_csv(run / "estimates/latency_summary.csv")
    assert set(times["tested"]) >= {"noisy", f"noisy--{AFTER}"}
    page = (run / "report/index.html").read_text("utf-8")
    for words in ("separated, then denoised by conv_tasnet", "ideal ratio mask (oracle)"):
        assert words in page

    # A share of that denoiser changes what it makes of separated sources, and not these.
    dry = ("--config", "denoisers={conv_tasnet: {dry: 0.2}}")
    again = run.jobs(ESTIMATES.format(f"noisy--{AFTER}"), *dry, config=config)
    assert again == {"apply": 1, "gather_estimates": 1}
    assert run.jobs(ESTIMATES.format("noisy"), *dry, config=config) == {}
