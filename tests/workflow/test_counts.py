"""A whole run on mixtures of one to three speakers, whose number the separator has to find."""

import pandas as pd
import yaml
from workspace import SMOKE

from pipeline.base.files import read_manifest
from pipeline.mixtures.names import sources_of
from pipeline.models.card import read_card

NUMBERS = {
    "shards": 2,
    "mixtures": {"num_speakers": [1, 2, 3], "counts": {"train": 12, "dev": 3, "test": 6}},
    "training": {"loss": {"snr": 1}, "monitor": "dev_loss"},
    "separators": {"conv_tasnet": {"conditions": ["noisy"]}, "small": None},
    "evaluation": {"metrics": ["si_sdr", "sir", "stoi"], "oracles": ["ideal_mask"]},
}
SEPARATED = "estimates/separate/conv_tasnet/noisy/0/noisy/test/estimates.csv"


def test_speakers_are_counted_from_the_mixtures_to_the_page(workspace):
    config = SMOKE, workspace.folder / "numbers.yaml"
    config[1].write_text(yaml.safe_dump(NUMBERS), encoding="utf-8")
    workspace.succeed(config=config)
    results = workspace / "."

    table = read_manifest(results / "mixtures/test/mixtures.csv")
    true = [len(sources_of(row)) for row in table.to_dict("records")]
    assert true == [1, 2, 3, 1, 2, 3]
    for k in (1, 2, 3):
        files = sorted(path.stem for path in (results / "mixtures/test").rglob(f"s{k}/*.wav"))
        assert files == [f"test-{i:06d}" for i, number in enumerate(true) if number >= k]

    weights = results / "models/separate/conv_tasnet/noisy/0/model.safetensors"
    assert read_card(weights).num_sources == 3
    assert read_card(weights).training["speakers"] == [1, 2, 3]
    estimates = read_manifest(results / SEPARATED)
    written = estimates[["s1_path", "s2_path", "s3_path"]].notna().sum(axis=1)
    assert estimates["found"].tolist() == written.tolist() and written.between(1, 3).all()
    assert len(list((results / SEPARATED).parent.rglob("s?/*.wav"))) == written.sum()

    scores = pd.read_csv(results / "scores/scores.csv")
    means = pd.read_csv(results / "scores/summary.csv").set_index(["name", "tested", "metric"])
    means = means["mean"]
    # With the true sources all are counted, and none is missed or too much.
    for metric, value in {"counted": 100, "missed": 0, "extra": 0}.items():
        assert means["ideal_mask", "noisy", metric] == value
        assert ("conv_tasnet", "clean", metric) in means.index
        assert ("mixture", "noisy", metric) not in means.index
    mine = scores[(scores["name"] == "conv_tasnet") & (scores["tested"] == "noisy")]
    numbers = mine[mine["source"] == "mix_clean"].pivot(
        index="mixture_id", columns="metric", values="value"
    )
    assert (true - numbers["missed"] + numbers["extra"]).tolist() == written.tolist()

    page = (results / "report/index.html").read_text("utf-8")
    assert "1, 2 or 3 speakers" in page and "speakers in the mixture" in page
    assert '<section id="counts">' in page
    tables = sorted(path.stem for path in (results / "report/tables").glob("confusion-*.csv"))
    assert len(tables) == 4  # three conditions and the ideal mask
