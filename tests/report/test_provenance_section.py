import hashlib
import time
from dataclasses import replace

import pandas as pd
import pytest
import yaml
from report.rendered import rendered
from systems import path_of

from pipeline.base.files import write_json
from pipeline.report.figures.dag import draw_dag, reduced
from pipeline.report.run import Run
from pipeline.report.sections import provenance
from pipeline.report.site import Site

FACTS = {
    "command": "snakemake --cores 2 --config 'a={b: <1>}'",
    "started": "2026-01-02T03:04:05+00:00",
    "git": {"revision": "c0ffee" * 6 + "c0ff", "modified": True},
    "machine": {"cpu": "A CPU", "cores": 8, "memory_gib": 15.5},
    "jobs": {"all": 1, "mix": 4, "report": 1, "score": 4},
    "pending": 3,
    "edges": [["mix", "report"], ["mix", "score"], ["report", "all"], ["score", "report"]],
}
HEADER = "s\th:m:s\tmax_rss\tmax_vms\n"


@pytest.fixture
def tree(builder):
    """A tree with everything that a run leaves beside its results."""
    tree = builder(mixtures=2).build(timed=False)
    write_json(tree.inputs.run, FACTS)
    jobs = {"mix/a": "1.5\t-\t100.2\t-", "mix/b": "2.5\t-\t300.4\t-", "score/a": "60.0\t-\tNA\t-"}
    for name, line in jobs.items():
        path = tree.inputs.benchmarks / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEADER + line + "\n")
    return tree


def shown(tree) -> str:
    return rendered(tree.inputs, tree.index, "provenance")


def test_the_page_describes_the_run(tree):
    text = shown(tree)
    assert "<pre>snakemake --cores 2 --config &#39;a={b: &lt;1&gt;}&#39;</pre>" in text
    assert "2026-01-02 03:04:05 UTC" in text
    assert f"{FACTS['git']['revision']}, with changes that are not committed" in text
    assert "A CPU, 8 cores, 15.5 GiB of memory" in text
    assert "3 of 10; the results of all others were there" in text
    assert "4 jobs" in text and 'id="dag-' in text


def test_configuration_is_there_in_full(tree):
    content = provenance.content(Run(tree.inputs), Site(tree.root / "site"))
    assert yaml.safe_load(content["config_text"]) == tree.inputs.config


def test_sums_are_those_of_the_weights(tree):
    text = shown(tree)
    written = pd.read_csv(tree.index.parent / "tables/weights.csv", index_col="model")
    for name, path in tree.inputs.weights.items():
        expected = hashlib.sha256(path.read_bytes()).hexdigest()
        assert written.at[name, "SHA-256"] == expected and expected in text


def test_time_is_summed_by_rule_the_longest_first(tree):
    text = shown(tree)
    written = pd.read_csv(tree.index.parent / "tables/times.csv")
    assert written["rule"].tolist() == ["score", "mix"]
    assert written.loc[1].tolist() == ["mix", 2, 4.0, 2.0, 300.4]
    assert written.loc[0].tolist()[:4] == ["score", 1, 60.0, 60.0]
    assert ">60.0<" in text and ">300<" in text


def test_thousands_of_jobs_are_summed_in_a_second(tmp_path):
    (tmp_path / "rule").mkdir()
    for number in range(4000):
        (tmp_path / f"rule/{number}.tsv").write_text(HEADER + "1.0\t-\t2.0\t-\n")
    start = time.perf_counter()
    times = provenance.rule_times(tmp_path)
    assert time.perf_counter() - start < 2
    assert len(times) == times["s"].sum() == 4000


def test_benchmarks_cut_short(tmp_path):
    for name, text in {"a": "", "b": HEADER, "c": f"{HEADER}1.5"}.items():
        (tmp_path / "rule").mkdir(exist_ok=True)
        (tmp_path / f"rule/{name}.tsv").write_text(text)
    times = provenance.rule_times(tmp_path)
    assert times["s"].tolist() == [1.5] and times["max_rss"].isna().all()
    assert provenance.time_table(times).rows[0].cells[-1].text == "–"


def test_values_that_could_not_be_computed_are_counted():
    rows = [
        ("mixture", "pesq", 1.0, None),
        ("n/noisy/noisy", "pesq", None, "no speech"),
        ("n/clean/noisy", "pesq", None, "no speech"),
        ("n/clean/noisy", "pesq", 2.0, None),
        ("n/clean/clean", "pesq", None, "no speech"),
        ("denoised-d", "stoi", None, "too short"),
        ("mixture-mix_clean", "stoi", None, None),
    ]
    scores = pd.DataFrame(rows, columns=["system", "metric", "value", "undefined"])
    scores["system"] = scores["system"].map(path_of)
    table = provenance.undefined_table(scores)
    found = {
        (row.heading, row.cells[0].text, row.cells[1].text): [cell.value for cell in row.cells[2:]]
        for row in table.rows
    }
    assert found == {
        ("PESQ", "separated", "no speech"): [2, 3],
        ("PESQ", "separated, oracle", "no speech"): [1, 1],
        ("STOI", "denoised mixture", "too short"): [1, 1],
        ("STOI", "mixture, all speakers", "not recorded"): [1, 1],
    }
    assert provenance.undefined_table(scores[scores["value"].notna()]) is None


def test_scores_without_reasons_are_counted_too(tree):
    scores = Run(tree.inputs).scores.drop(columns="undefined", errors="ignore")
    table = provenance.undefined_table(scores)
    assert sum(row.cells[2].value for row in table.rows) == scores["value"].isna().sum() > 0
    assert {row.cells[1].text for row in table.rows} == {"not recorded"}


@pytest.mark.parametrize(
    ("corpora", "words"),
    [
        ({"kind": "demo"}, ["espeak-ng"]),
        ({"kind": "local", "local": {"speech": "/a", "noise": "/b"}}, ["/a: see", "/b: see"]),
        (
            {"kind": "local", "local": {"speech": ["/a", "/c"], "noise": ["/b"]}},
            ["/a: see", "/c: see", "/b: see"],
        ),
        ({"kind": "download"}, []),
        ({}, []),
    ],
)
def test_rights_in_corpora_as_far_as_known(corpora, words):
    lines = provenance.corpus_in_words(corpora)
    assert len(lines) == len(words) and all(w in x for w, x in zip(words, lines, strict=True))


def test_licence_of_a_local_corpus_is_repeated(tmp_path):
    (tmp_path / "LICENSE.TXT").write_text("CC BY 4.0, name <them>")
    (tmp_path / "LICENSES").mkdir()
    corpora = {"kind": "local", "local": {"speech": str(tmp_path), "noise": "/nowhere"}}
    texts = dict(provenance.licence_texts(corpora))
    assert texts == {str(tmp_path / "LICENSE.TXT"): "CC BY 4.0, name <them>"}
    assert dict(provenance.licence_texts({"kind": "demo"})) == {}


def test_licences_of_downloads_are_repeated(tree):
    line = "WHAM! noise: CC BY-NC 4.0, not for commercial use"
    tree.inputs = replace(tree.inputs, licences=[line])
    assert f"<li>{line}</li>" in shown(tree)


@pytest.mark.parametrize(
    "lacking", [{"run"}, {"benchmarks"}, {"weights"}, {"run", "benchmarks", "weights"}]
)
def test_missing_parts_are_left_out(tree, tmp_path, lacking):
    nowhere = {name: {} if name == "weights" else tmp_path / "nowhere" for name in lacking}
    tree.inputs = replace(tree.inputs, **nowhere)
    text = shown(tree)
    assert (FACTS["started"][:10] in text) == ("run" not in lacking)
    assert ("Wall time" in text) == ("benchmarks" not in lacking)
    assert ("Checksums of the weights files" in text) == ("weights" not in lacking)
    assert "Package versions" in text
    assert (tree.index.parent / "figures/dag.svg").exists()


@pytest.mark.parametrize("known", [{"command"}, set(FACTS) - {"git"}, set(FACTS) - {"machine"}])
def test_a_run_with_fewer_recorded_facts(tree, known):
    write_json(tree.inputs.run, {"git": None} | {key: FACTS[key] for key in known})
    text = shown(tree)
    assert ("A CPU" in text) == ("machine" in known)
    assert ('id="dag-' in text) == ("edges" in known)
    assert "Revision" not in text or "git" in known


def test_graph_is_reduced_and_the_same_each_time(tmp_path):
    assert reduced(FACTS["edges"]) == [("mix", "score"), ("report", "all"), ("score", "report")]
    for name in "ab":
        draw_dag(FACTS["jobs"], FACTS["edges"], tmp_path / name)
    text = (tmp_path / "a").read_text()
    assert all(f">{name}<" in text for name in FACTS["jobs"])
    assert text.count(">4 jobs<") == 2 and text.count(">1 job<") == 2
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
