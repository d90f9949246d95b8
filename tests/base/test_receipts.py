import hashlib
import os
import shutil
import time
from pathlib import Path

import pytest

from pipeline.base.files import read_json
from pipeline.base.receipts import (
    close_receipt,
    discard,
    distrust,
    find_damages,
    find_stale,
    is_inside,
    open_receipt,
    read_receipts,
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


def make(*outputs, log="results/logs/mixtures/job.log", inputs=(), known=None):
    """Outputs as a job makes them: a folder holds a WAV and its manifest."""
    receipt = open_receipt(log, inputs, outputs, receipts() if known is None else known)
    for output in outputs:
        if Path(output).suffix:
            write(output)
        else:
            write(f"{output}/s1/a.wav", "RIFF")
            write(f"{output}/index.csv")
    close_receipt(receipt)
    write(log, "")
    return receipt.path


def receipts():
    return read_receipts(LOGS)


def damages():
    return [str(damage) for damage in find_damages(receipts())]


def test_sizes_of_files_and_of_manifests_in_folders():
    receipt = make(TABLE, SHARD)
    assert receipt == Path("results/logs/mixtures/job.outputs.json")
    content = read_json(receipt)
    assert content["inputs"] == {} and content["closed"] == pytest.approx(time.time(), abs=5)
    sizes = {name: made["size"] for name, made in content["outputs"].items()}
    assert sizes == {TABLE: 8, SHARD: {"index.csv": 8}}
    assert content["outputs"][TABLE]["digest"] == hashlib.sha256(b"a,b\n1,2\n").hexdigest()
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


def test_missing_and_grown_files_are_not_reported():
    make(TABLE, SHARD)
    write(TABLE, "a,b\n1,2\n3,4\n")  # by hand
    discard(Path(SHARD))
    Path(SHARD).parent.mkdir(exist_ok=True)
    assert damages() == []


def test_output_of_a_killed_job_is_unfinished():
    open_receipt("results/logs/job.log", [], [TABLE], [])
    assert damages() == []
    write(TABLE)
    assert damages() == [f"{TABLE}: was left unfinished"]


def test_results_of_an_unfinished_output_are_stale_over_any_number_of_steps():
    chain = {"plan": [], "shard": ["plan"], "table": ["shard"], "dev": ["other"], "page": ["table"]}
    for name, inputs in chain.items():
        inputs = [f"results/{given}" for given in inputs]
        make(f"results/{name}", log=f"results/logs/{name}.log", inputs=inputs)
    assert find_stale(receipts(), []) == []
    open_receipt("results/logs/shard.log", ["results/plan"], ["results/shard"], receipts())
    shutil.rmtree("results/shard")  # as Snakemake does before a job
    shutil.rmtree("results/page")
    assert damages() == [] and find_stale(receipts(), []) == [Path("results/table")]


def test_all_steps_after_the_unfinished_are_stale_where_all_are_there():
    names = ["a", "b", "c", "d", "e"]
    for before, name in zip([None, *names], names, strict=False):
        inputs = [f"results/{before}"] if before else []
        make(f"results/{name}", log=f"results/logs/{name}.log", inputs=inputs)
    open_receipt("results/logs/b.log", ["results/a"], ["results/b"], receipts())
    shutil.rmtree("results/b")
    assert find_stale(receipts(), []) == [Path(f"results/{name}") for name in "cde"]


def test_only_the_joined_tables_are_removed_with_a_damaged_folder():
    make("results/shard", log="results/logs/shard.log")
    make("results/table.csv", log="results/logs/table.log", inputs=["results/shard"])
    make("results/page.csv", log="results/logs/page.log", inputs=["results/table.csv"])
    write("results/shard/index.csv", "")
    assert find_stale(receipts(), find_damages(receipts())) == [Path("results/table.csv")]
    write("results/table.csv", "")
    assert find_stale(receipts(), find_damages(receipts())[1:]) == []


@pytest.mark.parametrize(
    "content",
    [
        '{"inputs": {}, "outputs": {"%s": null}}',
        '{"inputs": {}, "outputs": {"results/../x": null}}',
        '{"inputs": {}, "outputs": {"results/a": 9}}',
        '{"inputs": {}, "outputs": {"results/a": {"size": 9}}}',
        '{"inputs": {}, "outputs": {"results/a": {"size": null, "digest": ""}}}',
        '{"inputs": {}, "outputs": {"results/a": {"size": {"a": "3"}, "digest": ""}}}',
        '{"inputs": {}, "outputs": {"results/a": null}, "closed": "now"}',
        '{"inputs": [], "outputs": {"results/a": null}}',
        '{"inputs": 3, "outputs": {"results/a": null}}',
        '{"inputs": {}, "outputs": ["results/a"]}',
        "[]",
        '{"inputs": {}, "outputs": {"results/a": null}, "more": 1}',
        "null",
        '{"resul',
    ],
)
def test_receipts_that_no_job_wrote_remove_nothing(tmp_path, content):
    for name in ("x", "results/a", "elsewhere/a.csv"):
        write(name)
    write("results/logs/job.outputs.json", content.replace("%s", str(tmp_path / "elsewhere")))
    assert damages() == [] and find_stale(receipts(), []) == []


def test_a_job_that_was_about_to_begin_counts_and_a_file_that_was_removed_does_not():
    make("results/shard", log="results/logs/shard.log")
    make("results/table", log="results/logs/table.log", inputs=["results/shard"])
    shutil.rmtree("results/shard")
    assert find_stale(receipts(), []) == []
    Path("results/logs/shard.log").unlink()
    assert find_stale(receipts(), []) == [Path("results/table")]


def test_a_table_further_below_counts_too():
    make(SHARD)
    write(f"{SHARD}/plan/info.csv")
    close_receipt(open_receipt("results/logs/mixtures/job.log", [], [SHARD], []))
    write(f"{SHARD}/plan/info.csv", "")
    assert damages() == [f"{SHARD}: 0 of 8 bytes of plan/info.csv are there"]


def test_only_the_requested_outputs():
    make(TABLE, SHARD)
    write(TABLE, "")
    write(f"{SHARD}/index.csv", "")
    assert [damage.output for damage in find_damages(receipts(), [SHARD, "other"])] == [Path(SHARD)]


def test_damaged_receipts_are_ignored():
    make(TABLE).write_text('{"resul')
    write(TABLE, "")
    assert damages() == []


def test_partial_files_of_a_killed_job_are_removed():
    write("results/mixtures/train/.mixtures.csv.77.part")
    write("results/mixtures/train/.other.csv.77.part")
    make(TABLE)
    assert sorted(p.name for p in Path(TABLE).parent.glob(".*")) == [".other.csv.77.part"]


def test_only_the_damaged_file_is_removed():
    make(TABLE, "results/mixtures/train/other.csv")
    discard(Path(TABLE))
    assert not Path(TABLE).exists() and Path("results/mixtures/train/other.csv").exists()


def test_the_distrusted_folder_is_the_one_that_a_message_begins_with(tmp_path):
    make(SHARD)
    path = f"{tmp_path.resolve()}/{SHARD}/s1/a.wav"
    assert distrust(receipts(), f"model.safetensors: gives NaN for {path}") is None
    assert distrust(receipts(), f"{tmp_path.resolve()}/{SHARD}0/a.wav: truncated") is None
    assert distrust(receipts(), f"{path}: truncated") == Path(SHARD)
    assert damages() == [f"{SHARD}: was found damaged"]


def test_a_thousand_receipts_are_read_in_a_moment():
    for k in range(1000):
        make(f"results/scores/{k}.csv", log=f"results/logs/scores/{k}.log", known=[])
    began = time.process_time()
    assert damages() == []
    assert time.process_time() - began < 0.5


CHAIN = {"plan": [], "shard": ["plan"], "table": ["shard"], "page": ["table"]}


def make_chain(content="a,b\n1,2\n"):
    """Make `results/plan` and the outputs that follow, each from the one before."""
    for name, inputs in CHAIN.items():
        write(f"results/logs/{name}.log")
        given = [f"results/{one}" for one in inputs]
        receipt = open_receipt(f"results/logs/{name}.log", given, [f"results/{name}"], receipts())
        write(f"results/{name}", content + name)
        close_receipt(receipt)


def make_again(name, content):
    """What a job does until Snakemake checks its outputs."""
    log = f"results/logs/{name}.log"
    given = [f"results/{one}" for one in CHAIN[name]]
    receipt = open_receipt(log, given, [f"results/{name}"], receipts())
    write(f"results/{name}", content)
    close_receipt(receipt)


def test_older_results_go_where_a_job_failed_after_it_had_made_others():
    make_chain()
    make_again("plan", "other")
    Path("results/plan").unlink()  # as Snakemake does with the outputs of a failed job
    assert damages() == []
    stale = ["results/page", "results/shard", "results/table"]
    assert find_stale(receipts(), []) == [Path(name) for name in stale]


def test_removed_or_identically_rebuilt_outputs_do_not_affect_the_rest():
    make_chain()
    Path("results/plan").unlink()  # by hand, to save space
    assert find_stale(receipts(), []) == []
    make_again("plan", "a,b\n1,2\nplan")
    Path("results/plan").unlink()
    assert find_stale(receipts(), []) == []


def test_a_clock_that_was_ahead_hides_nothing():
    make_chain()
    future = time.time() + 86400
    for name in ("shard", "table", "page"):
        os.utime(f"results/{name}", (future, future))
    make_again("plan", "other")
    assert Path("results/shard") in find_stale(receipts(), [])
    os.utime("results/plan", (future + 9, future + 9))  # Snakemake notices it
    assert find_stale(receipts(), []) == []


def test_a_folder_s_digest_is_of_its_tables_and_of_the_sizes_of_its_files():
    make(SHARD)
    first = receipts()[0].outputs[SHARD]["digest"]
    for name, content in {"s1/a.wav": "RIFFS", "index.csv": "a,b\n1,3\n"}.items():
        kept = Path(SHARD, name).read_text()
        write(f"{SHARD}/{name}", content)
        close_receipt(receipts()[0])
        assert receipts()[0].outputs[SHARD]["digest"] != first
        write(f"{SHARD}/{name}", kept)
        close_receipt(receipts()[0])
        assert receipts()[0].outputs[SHARD]["digest"] == first


def test_a_damaged_folder_does_not_make_its_results_stale():
    make("results/shard", log="results/logs/shard.log")
    make("results/table", log="results/logs/table.log", inputs=["results/shard"])
    distrust(receipts(), f"{Path('results/shard').resolve()}/s1/a.wav: truncated")
    assert find_stale(receipts(), []) == []


def test_files_behind_a_link_elsewhere_are_not_inside(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    Path("results/mixtures").parent.mkdir()
    Path("results/mixtures").symlink_to(tmp_path / "elsewhere")
    assert not is_inside(Path("results/mixtures/train"))
    assert is_inside(Path("results/mixtures"))
    assert is_inside(Path("results/corpora/train"))


def test_a_results_folder_may_itself_be_a_link(tmp_path):
    (tmp_path / "scratch/mixtures").mkdir(parents=True)
    Path("results").symlink_to(tmp_path / "scratch")
    assert is_inside(Path("results/mixtures/train"))


def test_only_the_link_itself_is_removed(tmp_path):
    write(tmp_path / "elsewhere/kept.csv")
    Path("results").mkdir()
    Path("results/train").symlink_to(tmp_path / "elsewhere")
    discard(Path("results/train"))
    assert not Path("results/train").is_symlink() and (tmp_path / "elsewhere/kept.csv").exists()
