"""Groups of mixtures, and the best and worst ones of each system."""

import numpy as np
import pandas as pd
import pytest
from report.rendered import rendered
from report.scored import MATRIX, drawn, write_run
from systems import path_of

from pipeline.report.groups import MOST_BUCKETS, buckets, groupings
from pipeline.report.mixture_facts import input_snr, mixture_facts, noise_kind
from pipeline.report.run import Run
from pipeline.report.sections import breakdown
from pipeline.report.site import Site

DIRECT, HELPED = path_of("net/noisy/noisy"), path_of("net/denoised-d/denoised-d")


def parted(inputs, systems):
    run = Run(inputs)
    found = groupings(run, str(run.metric), systems, mixture_facts(run))
    return {grouping.name: grouping for grouping in found}


def summed_up(grouping):
    """Count and mean of the first system, by group."""
    return {g.label: (g.mixtures, pytest.approx(g.estimates[0].mean)) for g in grouping.groups}


@pytest.mark.parametrize("ends", [(-6.3, 2.9), (0, 100), (-0.2, 0.3), (3, 3), (-75, 240), (2, 8)])
def test_buckets_have_round_ends_and_hold_every_value(ends):
    values = pd.Series(np.linspace(*ends, 50))
    names, order = buckets(values)
    assert len(order) <= MOST_BUCKETS and set(names) == set(order)
    limits = names.str.replace("−", "-").str.split(" to ", expand=True).astype(float)
    assert ((limits[0] <= values) & (values < limits[1])).all()
    assert (limits[1] - limits[0]).nunique() == 1


def test_values_that_are_not_numbers_are_in_no_bucket():
    assert list(buckets(pd.Series([1.0, np.nan, np.inf]))[0].index) == [0]
    assert buckets(pd.Series([np.nan]))[1] == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("office-ambience_fs335711_0", "office-ambience"),
        ("babble-0003", "babble"),
        ("hum_020", "hum"),
        ("DKITCHEN_ch01", "DKITCHEN"),
        ("rain", "rain"),
        ("rain@my_noise", "rain"),
        ("01dc0215_0.22439_01fc0207_-0.22439sp12", None),
        ("x17_noise", "noise"),
        ("esc10_sea-waves_5-219379-A", "sea-waves"),
        (np.nan, None),
    ],
)
def test_kind_of_a_noise(name, kind):
    assert noise_kind(name) == kind if kind else pd.isna(noise_kind(name))


def test_input_snr_is_as_measured_by_rendering():
    table = pd.DataFrame({"noise_snr": [5.0], "noise_both_snr": [-2.0]})
    assert input_snr(table).tolist() == [2.0]
    assert input_snr(table[["noise_snr"]]).tolist() == [5.0]


def test_groups_of_constructed_mixtures(tmp_path):
    values = np.array([[1.0, 3.0], [5.0, 5.0], [8.0, np.nan], [9.0, 11.0]])
    facts = {
        "noise_both_snr": [2.5, 2.1, -0.4, -1.9],
        "overlap_ratio": [1.0, 0.999, 0.42, 0.41],
        "source_1_sex": ["F", "F", "M", "M"],
        "source_2_sex": ["F", "M", "M", "M"],
        "source_1_speaker": ["a", "a", "b", "c"],
        "source_2_speaker": ["b", "c", "c", "a"],
        "noise": ["hum_1", "rain-2", "hum_3", "rain_4"],
    }
    found = parted(write_run(tmp_path, {"si_sdri": {DIRECT: values}}, facts), [DIRECT])
    assert summed_up(found["input SNR"]) == {
        "−3 to −2": (2, 3.5),
        "0 to 1": (1, 8.0),
        "1 to 2": (1, 10.0),
    }
    assert summed_up(found["overlap"]) == {"40 to 50": (2, 9.0), "90 to 100": (2, 3.5)}
    assert summed_up(found["sexes"]) == {"same sex": (3, 20 / 3), "mixed": (1, 5.0)}
    assert summed_up(found["noise"]) == {"hum": (2, 5.0), "rain": (2, 7.5)}
    # Speakers are ranked by their own scores, the worst first; c has no score in the third mixture.
    assert summed_up(found["speaker"]) == {"b": (2, 5.5), "a": (3, 17 / 3), "c": (2, 7.0)}
    assert list(summed_up(found["speaker"])) == ["b", "a", "c"]
    assert [group.below for group in found["speaker"].groups] == ["F", "F", "M"]


def test_intervals_resample_the_mixtures_of_the_group(tmp_path):
    facts = {"noise_snr": np.repeat([0.5, 9.5], 6)}
    inputs = write_run(tmp_path, {"si_sdri": drawn([DIRECT, HELPED])}, facts)
    run, groups = Run(inputs), parted(inputs, [HELPED, DIRECT])["input SNR"].groups
    values = run.values("si_sdri")[[HELPED, DIRECT]].to_numpy()
    for group, part in zip(groups, (values[:6], values[6:]), strict=True):
        low, high = run.bootstrap.intervals(pd.DataFrame(part))
        assert [(e.low, e.high) for e in group.estimates] == list(zip(low, high, strict=True))
        assert all(e.low < e.mean < e.high for e in group.estimates)


def test_a_mixture_alone_has_no_interval(tmp_path):
    facts = {"noise_snr": [0.5, 1.5]}
    inputs = write_run(tmp_path, {"si_sdri": drawn([DIRECT], mixtures=2)}, facts)
    for group in parted(inputs, [DIRECT])["input SNR"].groups:
        assert np.isfinite(group.estimates[0].mean) and np.isnan(group.estimates[0].low)


def test_unknown_or_constant_facts_are_left_out(tmp_path):
    facts = {
        "source_1_sex": [np.nan] * 12,
        "source_2_sex": ["F"] * 12,
        "overlap_ratio": 1.0,
        "noise": [f"01{n}_0.2" for n in range(12)],
    }
    assert parted(write_run(tmp_path / "a", {"stoi": drawn([DIRECT])}, facts), [DIRECT]) == {}
    many = {"noise": [f"{a}{b}-1" for a in "abcdef" for b in "ghijk"]}
    inputs = write_run(tmp_path / "b", {"stoi": drawn([DIRECT], mixtures=30)}, many)
    assert parted(inputs, [DIRECT]) == {}


def test_noises_without_a_word_are_a_group_of_their_own(tmp_path):
    facts = {"noise": ["hum_1", "0017", "hum_3", "0018"]}
    inputs = write_run(tmp_path, {"si_sdri": {DIRECT: np.arange(4.0)[:, None]}}, facts)
    assert summed_up(parted(inputs, [DIRECT])["noise"]) == {"hum": (2, 1.0), "other": (2, 2.0)}


def test_six_best_systems_and_the_direct_one_are_shown(tmp_path):
    names = [path_of(f"net/{c}/denoised-{k}") for c in ("clean", "noisy") for k in range(4)]
    scores = {name: np.full((4, 1), 9.0 - place) for place, name in enumerate([*names, DIRECT])}
    scores[path_of("net/clean/clean")] = np.full((4, 1), 20.0)
    facts = {"noise_snr": [0, 0, 9, 9]}
    run = Run(write_run(tmp_path, {"si_sdri": scores}, facts))
    assert breakdown.tabled_systems(run) == [*names[:6], DIRECT]
    content = breakdown.content(run, Site(tmp_path / "report"))
    assert content["left_out"] == 2
    assert len(content["groups"][0].tables[0].columns) == 1 + 7


@pytest.mark.parametrize("metric", ["si_sdri", "wer"])
@pytest.mark.parametrize("mixtures", [1, 2, 5, 19, 20, 45])
def test_no_mixture_is_among_the_best_and_the_worst(tmp_path, metric, mixtures):
    run = Run(write_run(tmp_path, {metric: drawn([DIRECT], mixtures)}))
    tables = breakdown.content(run, Site(tmp_path / "report"))["extremes"][0].tables
    best, *rest = ([row.heading for row in table.rows] for table in tables)
    worst = rest[0] if rest else []
    assert not set(best) & set(worst)
    assert len(best) + len(worst) == min(20, mixtures)
    order = list(run.values(metric)[DIRECT].sort_values(ascending=metric == "wer").index)
    assert best == order[: len(best)] and worst == order[::-1][: len(worst)]


def test_best_and_worst_give_the_gain_and_link_to_mixtures_with_sound(tmp_path, monkeypatch):
    scores = {HELPED: np.array([[7.0], [1.0]]), DIRECT: np.array([[4.5], [2.0]])}
    facts = {"noise_snr": [3.0, np.nan], "overlap_ratio": [0.5, 0.75], "noise": ["a<b>", "c"]}
    run = Run(write_run(tmp_path, {"si_sdri": scores}, facts))
    monkeypatch.setattr(breakdown, "listed", lambda run: ["test-001"])
    made = breakdown.content(run, Site(tmp_path / "report"))
    helped, direct = made["extremes"]
    assert made["direct"] and "sexes" not in helped.tables[0].columns  # they are unknown
    best, worst = (table.rows[0] for table in helped.tables)
    assert [cell.text for cell in best.cells] == ["7.00", "+2.50", "3.0", "50", "a<b>"]
    assert [cell.text for cell in worst.cells] == ["1.00", "−1.00", "–", "75", "c"]
    assert (best.link, worst.link) == ("", "#mixture-test-001")
    assert "against direct" not in direct.tables[0].columns


def test_a_lone_speaker_neither_overlaps_nor_differs(builder):
    run = Run(builder(speakers=1, systems=["conv_tasnet/clean/noisy"]).build().inputs)
    assert mixture_facts(run)[["overlap", "sexes"]].isna().all(axis=None)
    made = breakdown.content(run, Site(run.inputs.mixtures.parent / "report"))
    columns = made["extremes"][0].tables[0].columns
    assert not {"overlap (%)", "sexes", "against direct"} & {*columns} and not made["direct"]


def test_oracles_are_neither_grouped_nor_ranked(tmp_path):
    facts = {"noise_snr": np.arange(12.0)}
    run = Run(write_run(tmp_path, {"si_sdri": drawn(MATRIX)}, facts))
    content = breakdown.content(run, Site(tmp_path / "report"))
    assert len(content["extremes"]) == 6
    assert not any("tested on clean" in view.name for view in content["extremes"])
    assert not any("tested on clean" in name for name in content["groups"][0].tables[0].columns)


def test_numbers_of_the_page_equal_its_tables(tmp_path):
    facts = {"noise_snr": np.repeat([0.5, 9.5], 6), "noise": "<script>alert(1)</script>"}
    inputs = write_run(tmp_path, {"si_sdri": drawn([DIRECT, HELPED])}, facts)
    text = rendered(inputs, tmp_path / "report/index.html", "breakdown")
    table = pd.read_csv(tmp_path / "report/tables/breakdown-input-snr.csv")
    assert table["mixtures"].tolist() == [6, 6]
    for column in table.columns[2::3]:
        for _, row in table.iterrows():
            ends = f"{row[f'{column} low']:.2f} to {row[f'{column} high']:.2f}"
            assert f">{row[column]:.2f}<small>{ends}</small>" in text
    assert "<script>alert" not in text and "nan" not in text.split("<svg")[0]


@pytest.mark.parametrize("systems", [[DIRECT], ["net/clean/clean"], [HELPED, DIRECT]])
@pytest.mark.parametrize("facts", [{}, {"noise_snr": [1.0, 7.0], "noise": ["a-1", "bb-2"]}])
def test_the_figure_is_always_there(tmp_path, systems, facts):
    run = Run(write_run(tmp_path, {"si_sdri": drawn(systems, mixtures=2)}, facts))
    site = Site(tmp_path / "report")
    assert (breakdown.content(run, site) is None) == (systems == ["net/clean/clean"])
    assert site.figure("breakdown").read_text(encoding="utf-8").count("<svg") == 1
