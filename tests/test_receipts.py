import shutil
import time
from pathlib import Path

import pytest

from pipeline.files import read_json
from pipeline.receipts import (
    close_receipt,
    discard,
    distrust,
    find_damages,
    find_stale,
    open_receipt,
)

LOGS = Path("results/logs")
TABLE = "results/mixtures/train/mixtures.csv"
SHARD = "results/mixtures/train/1-of-2"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(path, text="a,b\n1,2\n"):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def make(*outputs, log="results/logs/mixtures/job.log", inputs=()):
    """Outputs as a job makes them: a folder holds a WAV and its manifest."""
    receipt = open_receipt(log, inputs, outputs)
    for output in outputs:
        if Path(output).suffix:
            write(output)
        else:
            write(f"{output}/s1/a.wav", "RIFF")
            write(f"{output}/index.csv")
    close_receipt(receipt)
    write(log, "")
    return receipt.path


def damages():
    return [str(damage) for damage in find_damages(LOGS)]


def test_sizes_of_files_and_of_manifests_in_folders():
    receipt = make(TABLE, SHARD)
    assert receipt == Path("results/logs/mixtures/job.outputs.json")
    outputs = {TABLE: 8, SHARD: {"index.csv": 8}}
    assert read_json(receipt) == {"inputs": [], "outputs": outputs}
    assert damages() == []


@pytest.mark.parametrize("left", [0, 7])
def test_a_file_cut_short(left):
    make(TABLE)
    write(TABLE, "a,b\n1,2\n"[:left])
    assert damages() == [f"{TABLE}: {left} of 8 bytes are there"]


def test_a_folder_s_manifest_cut_short_or_gone():
    make(SHARD)
    write(f"{SHARD}/index.csv", "a")
    assert damages() == [f"{SHARD}: 1 of 8 bytes of index.csv are there"]
    Path(SHARD, "index.csv").unlink()
    assert damages() == [f"{SHARD}: 0 of 8 bytes of index.csv are there"]


def test_what_is_gone_or_has_grown_is_left_to_others():
    make(TABLE, SHARD)
    write(TABLE, "a,b\n1,2\n3,4\n")  # by hand
    discard(Path(SHARD))
    Path(SHARD).parent.mkdir(exist_ok=True)
    assert damages() == []


def test_what_a_killed_job_left_was_not_finished():
    open_receipt("results/logs/job.log", [], [TABLE])
    assert damages() == []
    write(TABLE)
    assert damages() == [f"{TABLE}: was left unfinished"]


def test_what_was_made_of_the_unfinished_is_stale_by_however_many_steps():
    chain = {"plan": [], "shard": ["plan"], "table": ["shard"], "dev": ["other"], "page": ["table"]}
    for name, inputs in chain.items():
        inputs = [f"results/{given}" for given in inputs]
        make(f"results/{name}", log=f"results/logs/{name}.log", inputs=inputs)
    assert find_stale(LOGS, []) == []
    open_receipt("results/logs/shard.log", ["results/plan"], ["results/shard"])
    shutil.rmtree("results/shard")  # as Snakemake does before a job
    shutil.rmtree("results/page")
    assert damages() == [] and find_stale(LOGS, []) == [Path("results/table")]


def test_what_joins_a_damaged_folder_goes_with_it_and_no_more():
    make("results/shard", log="results/logs/shard.log")
    make("results/table.csv", log="results/logs/table.log", inputs=["results/shard"])
    make("results/page.csv", log="results/logs/page.log", inputs=["results/table.csv"])
    write("results/shard/index.csv", "")
    assert find_stale(LOGS, find_damages(LOGS)) == [Path("results/table.csv")]
    write("results/table.csv", "")
    assert find_stale(LOGS, find_damages(LOGS)[1:]) == []


@pytest.mark.parametrize(
    "content",
    [
        '{"inputs": [], "outputs": {"%s": null}}',
        '{"inputs": [], "outputs": {"results/../x": null}}',
        '{"inputs": 3, "outputs": {"results/a": null}}',
        '{"inputs": [], "outputs": ["results/a"]}',
        "[]",
        '{"inputs": [], "outputs": {"results/a": null}, "more": 1}',
        "null",
        '{"resul',
    ],
)
def test_receipts_that_no_job_wrote_remove_nothing(tmp_path, content):
    for name in ("x", "results/a", "elsewhere/a.csv"):
        write(name)
    write("results/logs/job.outputs.json", content.replace("%s", str(tmp_path / "elsewhere")))
    assert damages() == [] and find_stale(LOGS, []) == []


def test_a_job_that_was_about_to_begin_counts_and_a_file_that_was_removed_does_not():
    make("results/shard", log="results/logs/shard.log")
    make("results/table", log="results/logs/table.log", inputs=["results/shard"])
    shutil.rmtree("results/shard")
    assert find_stale(LOGS, []) == []
    Path("results/logs/shard.log").unlink()
    assert find_stale(LOGS, []) == [Path("results/table")]


def test_a_table_further_below_counts_too():
    make(SHARD)
    write(f"{SHARD}/plan/info.csv")
    close_receipt(open_receipt("results/logs/mixtures/job.log", [], [SHARD]))
    write(f"{SHARD}/plan/info.csv", "")
    assert damages() == [f"{SHARD}: 0 of 8 bytes of plan/info.csv are there"]


def test_only_what_is_asked_for():
    make(TABLE, SHARD)
    write(TABLE, "")
    write(f"{SHARD}/index.csv", "")
    assert [damage.output for damage in find_damages(LOGS, [SHARD, "other"])] == [Path(SHARD)]


def test_torn_receipts_say_nothing():
    make(TABLE).write_text('{"resul')
    write(TABLE, "")
    assert damages() == []


def test_what_a_killed_job_was_writing_is_cleared_away():
    write("results/mixtures/train/.mixtures.csv.77.part")
    write("results/mixtures/train/.other.csv.77.part")
    make(TABLE)
    assert sorted(p.name for p in Path(TABLE).parent.glob(".*")) == [".other.csv.77.part"]


def test_a_file_goes_alone():
    make(TABLE, "results/mixtures/train/other.csv")
    discard(Path(TABLE))
    assert not Path(TABLE).exists() and Path("results/mixtures/train/other.csv").exists()


def test_distrust_is_of_the_folder_that_a_message_begins_with(tmp_path):
    make(SHARD)
    path = f"{tmp_path.resolve()}/{SHARD}/s1/a.wav"
    assert distrust(LOGS, f"model.safetensors: gives NaN for {path}") is None
    assert distrust(LOGS, f"{tmp_path.resolve()}/{SHARD}0/a.wav: truncated") is None
    assert distrust(LOGS, f"{path}: truncated") == Path(SHARD)
    assert damages() == [f"{SHARD}: was found damaged"]


def test_a_thousand_receipts_are_read_in_a_moment():
    for k in range(1000):
        make(f"results/scores/{k}.csv", log=f"results/logs/scores/{k}.log")
    began = time.process_time()
    assert damages() == []
    assert time.process_time() - began < 0.5
