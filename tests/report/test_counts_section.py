"""How many speakers were found, and quality by their number."""

import numpy as np
import pandas as pd
import pytest
from report.rendered import rendered
from report.scored import write_run
from systems import path_of, with_columns

from pipeline import audio
from pipeline.base.files import read_manifest, write_manifest
from pipeline.evaluation.aggregate import summarise
from pipeline.evaluation.counting import COUNTING, counting
from pipeline.report.groups import groupings
from pipeline.report.listen.tracks import Estimates, Recording
from pipeline.report.mixture_facts import mixture_facts
from pipeline.report.page import settings_line
from pipeline.report.run import Run
from pipeline.report.sections import counts, matrix
from pipeline.report.site import Site

NOISY, CLEAN = path_of("net/noisy/noisy"), path_of("net/clean/clean")
TRUE = [1, 2, 3, 1, 2, 3]
FOUND = [1, 3, 2, 1, 2, 3]
MIXTURES = [f"test-{n:03d}" for n in range(6)]


def scores_of(system, run=0, found=FOUND):
    """SI-SDR of k for a mixture of k speakers, none for those that were missed."""
    rows = []
    for name, true, number in zip(MIXTURES, TRUE, found, strict=True):
        for k in range(1, true + 1):
            for metric in ("si_sdr", "si_sdri"):
                value = float(true) if k <= number else np.nan
                rows.append((name, system, f"s{k}", metric, value))
        for metric, value in counting(true, number).items():
            rows.append((name, system, "mix_clean", metric, value))
    table = pd.DataFrame(rows, columns=["mixture_id", "system", "source", "metric", "value"])
    return with_columns(table).assign(run=run)


def make(folder, *tables, facts=None, **config):
    """A run whose mixtures have 1, 2, 3, … speakers."""
    inputs = write_run(folder, {"si_sdr": {NOISY: np.zeros((6, 1))}}, **config)
    table = read_manifest(inputs.mixtures)
    for k in (1, 2, 3):
        there = [true >= k for true in TRUE]
        table[f"s{k}_path"] = [f"/s{k}.wav" if each else None for each in there]
        for name, values in (facts or {}).items():
            table[f"source_{k}_{name}"] = [values[k - 1] if each else None for each in there]
    write_manifest(inputs.mixtures, table.assign(overlap_ratio=0.5))
    write_manifest(inputs.scores, pd.concat(tables).assign(undefined=None))
    summarise(inputs.scores, inputs.summary, mixtures=inputs.mixtures)
    return inputs


def texts(table):
    return {row.heading: [cell.text for cell in row.cells] for row in table.rows}


def test_a_run_of_one_number_of_speakers_has_no_such_section(tmp_path):
    inputs = write_run(tmp_path, {"si_sdr": {NOISY: np.ones((6, 2))}})
    assert counts.content(Run(inputs), Site(tmp_path / "site")) is None


def test_the_confusion_matrix_has_the_true_numbers_in_rows(tmp_path):
    run = Run(make(tmp_path, scores_of(NOISY)))
    [system] = counts.content(run, Site(tmp_path / "site"))["systems"]
    confusion, _ = system.tables
    assert confusion.columns == ["1 found", "2 found", "3 found", "right (%)"]
    assert texts(confusion) == {
        "1 speaker": ["2", "0", "0", "100.0"],
        "2 speakers": ["0", "1", "1", "50.0"],
        "3 speakers": ["0", "1", "1", "50.0"],
    }
    assert [[c.kind for c in row.cells[:3]].index("strong") for row in confusion.rows] == [0, 1, 2]


def test_of_several_trainings_all_are_counted(tmp_path):
    every = scores_of(NOISY), scores_of(NOISY, 1, TRUE)
    run = Run(make(tmp_path, *every))
    [system] = counts.content(run, Site(tmp_path / "site"))["systems"]
    assert texts(system.tables[0])["3 speakers"] == ["0", "1", "3", "75.0"]
    assert "mixtures of 2 trainings" in system.tables[0].caption


def test_quality_by_number_is_over_matched_pairs(tmp_path):
    run = Run(make(tmp_path, scores_of(NOISY), scores_of(CLEAN)))
    made = counts.content(run, Site(tmp_path / "site"))
    noisy, clean = (view.tables[1] for view in made["systems"])
    titles = [
        "SI-SDRi (dB)",
        "SI-SDR (dB)",
        "Counted right (%)",
        "Missed speakers",
        "Extra outputs",
    ]
    assert noisy.columns == ["mixtures", *titles]
    assert clean.columns == ["mixtures", *titles[1:]]  # the input of a lone talker is perfect
    assert texts(noisy)["1 speaker"] == ["2", "1.00", "1.00", "100.0", "0.00", "0.00"]
    assert texts(noisy)["3 speakers"] == ["2", "3.00", "3.00", "50.0", "0.50", "0.00"]
    assert texts(noisy)["2 speakers"][4:] == ["0.00", "0.50"]


def test_counting_has_a_table_and_no_part_in_the_matrix(tmp_path):
    unprocessed = scores_of(path_of("mixture"))
    unprocessed = unprocessed[~unprocessed["metric"].isin(COUNTING)]
    run = Run(make(tmp_path, scores_of(NOISY), scores_of(CLEAN), unprocessed))
    site = Site(tmp_path / "site")
    table = counts.content(run, site)["counting"]
    assert [row.heading for row in table.rows] == [
        "trained on noisy, tested on noisy",
        "trained on clean, tested on clean",
    ]
    assert [row.oracle for row in table.rows] == [False, True]
    assert [cell.value for cell in table.rows[0].cells] == pytest.approx(
        [100 * 4 / 6, 1 / 6, 1 / 6]
    )
    made = matrix.content(run, site)
    assert not {view.name for view in made["views"]} & {"Counted right", "Missed speakers"}
    assert "Counted right (%)" in made["metrics"].columns


def test_the_page_tells_what_its_means_are_over(tmp_path):
    settings = {"mixtures": {"num_speakers": [1, 2, 3]}, "inference": {"inactive_below": -20.0}}
    inputs = make(tmp_path, scores_of(NOISY), **settings)
    text = rendered(inputs, tmp_path / "report/index.html", "counts")
    words = " ".join(text.split())
    assert "has 1, 2 or 3 speakers, a separator has 3 outputs" in words
    assert "20 dB or more below the loudest one has no speaker" in words
    assert "A missed speaker has no value" in words
    assert "1, 2 or 3 speakers · 8 kHz" in settings_line(Run(inputs))
    assert (tmp_path / "report/tables/counting.csv").exists()


def test_facts_are_those_of_the_speakers_that_are_there(tmp_path):
    facts = {"speaker": ["a", "b", "c"], "sex": ["F", "F", "M"]}
    run = Run(make(tmp_path, scores_of(NOISY), facts=facts))
    found = mixture_facts(run)
    assert found["speakers"].tolist()[:3] == ["a (F)", "a (F), b (F)", "a (F), b (F), c (M)"]
    assert found["sexes"].fillna("–").tolist()[:3] == ["–", "same sex", "mixed"]
    assert found["overlap"].isna().tolist()[:3] == [True, False, False]
    ways = {way.name: way for way in groupings(run, "si_sdr", [NOISY], found)}
    groups = ways["speakers in the mixture"].groups
    assert [(group.label, group.mixtures) for group in groups] == [
        ("1 speaker", 2),
        ("2 speakers", 2),
        ("3 speakers", 2),
    ]


def test_outputs_without_a_speaker_can_be_heard(builder):
    tree = builder(systems=["net/noisy/noisy"], mixtures=2).build()
    mixtures = read_manifest(tree.inputs.mixtures)
    mixtures.loc[0, ["s3_path", "source_3_path"]] = None
    write_manifest(tree.inputs.mixtures, mixtures)
    path = tree.inputs.estimates[NOISY]
    table = read_manifest(path)
    table.loc[1, "s2_path"] = None
    write_manifest(path, table.assign(found=[3, 2]))
    run = Run(tree.inputs)
    estimates = Estimates.of(run, [NOISY])
    more, fewer = (Recording(run, name, estimates).groups() for name in mixtures["mixture_id"])
    titles = [group.title.partition(",")[0] for group in more]
    assert titles == ["Mixture and denoised", "Speaker 1", "Speaker 2", "Outputs without a speaker"]
    assert [len(group.tracks) for group in more[1:]] == [2, 2, 1]
    third = audio.read(read_manifest(path).at[0, "s2_path"])[0]  # outputs stand one place earlier
    np.testing.assert_array_equal(more[-1].tracks[0].samples, third)
    assert sorted(len(group.tracks) for group in fewer[1:]) == [1, 2, 2]
