import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import served as make
from loopback import Manners

from pipeline import audio
from pipeline.config import DownloadCorpus
from pipeline.corpora import download, remote
from pipeline.corpora.catalogue import Part
from pipeline.corpora.download import RECORD, download_part
from pipeline.errors import PipelineError
from pipeline.files import read_json, read_manifest

TAR, ZIP = "/test-clean.tar.gz", "/wham_noise.zip"


@pytest.fixture
def fetched(tmp_path, patience):
    """`fetched(part, seed, **limits)`: fetch a part; its files, in the order of the list."""

    def run(part: Part, seed=0, out="part.csv", **limits) -> list[str]:
        kind = "noise" if "max_files" in limits else "speech"
        settings = DownloadCorpus(**{"folder": str(tmp_path / "data"), kind: limits})
        download_part(part, settings, seed, tmp_path / out, patience)
        folder = part.folder(tmp_path / "data")
        table = read_manifest(tmp_path / out)
        assert all(
            Path(path).stat().st_size == size for path, size in table.itertuples(index=False)
        )
        assert not list((tmp_path / "data/downloads").glob("[!.]*"))
        assert not list(folder.parent.glob(".*unpacking"))
        return [os.path.relpath(path, folder) for path in table["path"]]

    run.folder = tmp_path / "data"
    return run


@pytest.fixture
def parts(served):
    """Rows of the catalogue for what is served."""
    noise = {"kind": "noise", "unpacks_to": "wham_noise"}
    address = served.url(f"/repos/o/r/git/trees/{make.COMMIT}")
    served.files["/meta.csv"] = b"mixture_ID,length\n"
    tree = {"format": "git", "address": address, "bytes": None, "checksum": None}
    table = {"kind": "librimix", "format": "file", "unpacks_to": "LibriMix/metadata"}
    return SimpleNamespace(
        speech=make.part_of(served, "test-clean", TAR),
        noise=make.part_of(served, "wham_noise", ZIP, **noise, format="zip", checksum=None),
        git=make.part_of(served, "ms_snsd", ZIP, **noise | tree | {"unpacks_to": "ms_snsd"}),
        table=make.part_of(served, "meta", "/meta.csv", **table),
    )


def refused(function, *arguments, **values) -> str:
    with pytest.raises(PipelineError) as error:
        function(*arguments, **values)
    assert "\n" not in str(error.value)
    return str(error.value)


def sound(names):
    return [name for name in names if not name.endswith(".txt")]


def speakers(names):
    return list(dict.fromkeys(name.split("/")[0] for name in names))


def contents(members, folder):
    """What an archive holds below `folder`, in its order."""
    inside = ((name.partition(f"{folder}/")[2], content) for name, content in members)
    return {name: content for name, content in inside if name}


def test_a_whole_tar(parts, served, fetched, corpus):
    members = contents(make.speech_members(corpus, "test"), "test-clean")
    assert fetched(parts.speech) == list(members)
    folder = fetched.folder / "LibriSpeech/test-clean"
    assert all((folder / name).read_bytes() == content for name, content in members.items())
    assert (fetched.folder / "LibriSpeech/SPEAKERS.TXT").read_bytes() == make.speakers_text(corpus)
    assert served.sent.total() == len(served.files[TAR])


def test_what_is_there_is_not_fetched_again(parts, served, fetched):
    for part in vars(parts).values():
        first = fetched(part)
        served.forget()
        assert fetched(part, out="again.csv") == first
        assert not served.asked


def test_a_few_speakers_of_a_tar_move_a_part_of_it(parts, served, fetched, corpus, monkeypatch):
    monkeypatch.setattr(remote, "BLOCK", 1 << 16)
    names = contents(make.speech_members(corpus, "test"), "test-clean")
    wanted = speakers(names)[:2]
    got = fetched(parts.speech, max_speakers=2)
    assert got == [name for name in names if name.split("/")[0] in wanted]
    read = sum(len(names[name]) for name in got)
    assert served.sent.total() < read + len(make.speakers_text(corpus)) + 3 * (1 << 16)
    assert served.sent.total() < 0.7 * len(served.files[TAR])


def test_a_few_utterances_of_a_few_speakers(parts, served, fetched, monkeypatch):
    monkeypatch.setattr(remote, "BLOCK", 1 << 16)
    got = fetched(parts.speech, max_speakers=2, max_utterances=2)
    few = served.sent.total()
    shutil.rmtree(fetched.folder)
    served.forget()
    more = fetched(parts.speech, max_speakers=2)
    assert few <= served.sent.total() < len(served.files[TAR])
    assert speakers(got) == speakers(more)
    assert [sum(n.startswith(f"{s}/") for n in sound(got)) for s in speakers(got)] == [2, 2]


def test_utterances_alone_read_all_and_keep_few(parts, served, fetched):
    got = fetched(parts.speech, max_utterances=1)
    assert len(sound(got)) == len(speakers(got)) == len(speakers(fetched(parts.speech)))


def test_a_wider_folder_serves_a_narrower_run(parts, served, fetched):
    alone = fetched(parts.speech, max_speakers=1, max_utterances=2)
    shutil.rmtree(fetched.folder)
    fetched(parts.speech)
    served.forget()
    assert sound(fetched(parts.speech, max_speakers=1, max_utterances=2)) == sound(alone)
    assert not served.asked


def test_a_folder_too_narrow_is_fetched_anew(parts, served, fetched):
    few = fetched(parts.speech, max_speakers=1)
    more = fetched(parts.speech, max_speakers=3)
    assert more[: len(few)] == few and len(speakers(more)) == 3


def test_an_interrupted_stream_goes_on(parts, served, fetched, monkeypatch):
    monkeypatch.setattr(remote, "BLOCK", 1 << 16)
    served.manners = lambda path, number: Manners(status=404) if number > 2 else Manners()
    assert "404" in refused(fetched, parts.speech, max_speakers=3)
    held = served.sent.total()
    assert held == 3 * (1 << 16)
    assert not (fetched.folder / "LibriSpeech/test-clean").exists()
    served.manners = lambda path, number: Manners()
    fetched(parts.speech, max_speakers=3)
    assert f"bytes={held}-" in served.asked[4][1]
    everything = served.sent.total()
    shutil.rmtree(fetched.folder)
    served.forget()
    fetched(parts.speech, max_speakers=3)
    assert served.sent.total() == everything


def test_a_flipped_byte_in_a_streamed_flac_is_refused(parts, served, fetched, corpus):
    members = make.speech_members(corpus, "test")
    place = next(k for k, (name, _) in enumerate(members) if name.endswith(".flac"))
    name, flac = members[place]
    members[place] = (name, flac[: len(flac) // 2] + b"x" + flac[len(flac) // 2 + 1 :])
    good = served.files[TAR]
    served.files |= {TAR: make.make_tar(members), "/mirror": good}
    values = {"bytes": None, "checksum": None}
    bad = make.part_of(served, "test-clean", TAR, **values)
    message = refused(fetched, bad, max_speakers=2)
    assert name in message and "no mirror serves it whole and right" in message
    assert not list(fetched.folder.rglob("*.flac")) and not list(fetched.folder.rglob("*.part"))
    mirrored = make.part_of(served, "test-clean", TAR, **values, mirrors=served.url("/mirror"))
    for path in sound(fetched(mirrored, max_speakers=2)):
        audio.check_flac(fetched.folder / "LibriSpeech/test-clean" / path)


@pytest.mark.parametrize("limits", [{}, {"max_speakers": 2}])
def test_a_server_without_ranges_serves_all_the_same(parts, served, fetched, limits, monkeypatch):
    monkeypatch.setattr(remote, "BLOCK", 1 << 16)
    served.manners = lambda path, number: Manners(whole=True)
    assert len(speakers(fetched(parts.speech, **limits))) >= 2
    assert len(fetched(parts.noise, max_files=5)) == 5


@pytest.mark.parametrize("limits", [{}, {"max_speakers": 2}])
@pytest.mark.parametrize("seed", [0, 1])
def test_cuts_at_random_cost_nothing_twice(parts, served, fetched, limits, seed):
    rng = random.Random(seed)
    size = len(served.files[TAR])
    served.manners = lambda path, number: Manners(drop=int(rng.expovariate(12 / size)))
    fetched(parts.speech, **limits)
    assert served.sent.total() <= size
    assert len(served.asked) > 3


def test_a_truncated_tar_is_refused(parts, served, fetched):
    served.files[TAR] = served.files[TAR][:-5000]
    assert "bytes where" in refused(fetched, parts.speech)
    part = make.part_of(served, "test-clean", TAR, bytes=None, checksum=None)
    assert "damaged archive" in refused(fetched, part)
    assert not list(fetched.folder.rglob("*.flac"))


def test_a_few_recordings_of_a_zip_move_a_part_of_it(parts, served, fetched, corpus, caplog):
    got = fetched(parts.noise, max_files=12)
    members = contents(make.noise_members(corpus), "wham_noise")
    folder = fetched.folder / "wham_noise"
    assert len(got) == 12 and {name.split("/")[0] for name in got} == {"tr", "cv", "tt"}
    assert all((folder / name).read_bytes() == members[name] for name in got)
    read = sum(len(members[name]) for name in got)
    assert served.sent.total() < read + 2 * remote.TAIL
    assert len(served.asked) <= 14


def test_more_recordings_fetch_only_those_that_are_missing(parts, served, fetched):
    few = fetched(parts.noise, max_files=6)
    served.forget()
    more = fetched(parts.noise, max_files=9)
    assert set(few) < set(more)
    assert len(served.asked) <= 3 + 2  # the directory, and three recordings
    served.forget()
    assert fetched(parts.noise, max_files=6) == few and not served.asked
    assert len(fetched(parts.noise, seed=3, max_files=6)) == 6
    everything = fetched(parts.noise)
    assert len(everything) > 12 and set(more) < set(everything)


def test_an_interrupted_selection_goes_on(parts, served, fetched):
    served.manners = lambda path, number: Manners(status=404) if number > 4 else Manners()
    refused(fetched, parts.noise, max_files=12)
    held = len(list(fetched.folder.rglob("*.wav")))
    assert held > 0
    served.manners = lambda path, number: Manners()
    served.forget()
    assert len(fetched(parts.noise, max_files=12)) == 12
    assert len(served.asked) <= 2 + 12 - held


def test_a_wrong_byte_in_a_zip_is_fetched_from_another_mirror(parts, served, fetched):
    wrong = bytearray(served.files[ZIP])
    for place in range(0, len(wrong) - 100_000, 5000):
        wrong[place] ^= 1
    served.files["/good"] = served.files[ZIP]
    served.files[ZIP] = bytes(wrong)
    assert "no mirror serves it whole and right" in refused(fetched, parts.noise, max_files=12)
    assert not (fetched.folder / "wham_noise").exists()
    part = parts.noise.model_copy(update={"mirrors": [served.url("/good")]})
    assert len(fetched(part, max_files=12)) == 12


def test_a_vanished_recording_is_fetched_again(parts, served, fetched, caplog):
    got = fetched(parts.noise, max_files=5)
    (fetched.folder / "wham_noise" / got[0]).unlink()
    (fetched.folder / "wham_noise" / got[1]).write_bytes(b"cut")
    served.forget()
    assert fetched(parts.noise, max_files=5) == got
    assert len(served.asked) <= 4
    assert "2 files are missing or changed; fetched again" in caplog.text


def test_a_repository_becomes_three_splits(parts, served, fetched):
    got = fetched(parts.git)
    assert {name.split("/")[0] for name in got} == {"tr", "cv", "tt"}
    blobs = [c for path, c in served.files.items() if f"{make.COMMIT}/noise" in path]
    folder = fetched.folder / "ms_snsd"
    assert sorted((folder / name).read_bytes() for name in got) == sorted(blobs)


def test_a_few_files_of_a_repository(parts, served, fetched):
    few = fetched(parts.git, max_files=4)
    assert len(few) == 4 and len(served.asked) == 3 + 4
    assert set(few) < set(fetched(parts.git, max_files=7))
    assert len(served.asked) == 2 * 3 + 7


def test_a_recording_for_the_test_is_for_nothing_else(parts, served, fetched, corpus):
    tree = json.loads(served.files[f"/repos/o/r/git/trees/{2:040d}"])
    train = json.loads(served.files[f"/repos/o/r/git/trees/{1:040d}"])
    train["tree"].append(tree["tree"][0] | {"path": "again.wav"})
    served.files[f"/repos/o/r/git/trees/{1:040d}"] = json.dumps(train).encode()
    assert not any("again" in name for name in fetched(parts.git))


def test_a_wrong_file_of_a_repository_is_refused(parts, served, fetched):
    for path in served.files:
        if path.startswith(f"/repos/o/r/{make.COMMIT}"):
            served.files[path] = served.files[path][::-1]
    assert "has the git " in refused(fetched, parts.git)


@pytest.mark.parametrize(
    "tree, words",
    [
        ({"truncated": True, "tree": []}, "the listing is cut short"),
        ({"truncated": False, "tree": []}, "has no noise_train and noise_test"),
        ({"message": "rate limit"}, "gives no listing of a git tree"),
        ({"truncated": False, "tree": [{"path": "../x", "type": "tree"}]}, "unsafe name"),
        ([], "gives no listing"),
    ],
)
def test_a_bad_listing_is_refused(parts, served, fetched, tree, words):
    served.files[f"/repos/o/r/git/trees/{make.COMMIT}"] = json.dumps(tree).encode()
    assert words in refused(fetched, parts.git)


def test_a_single_file(parts, served, fetched):
    assert fetched(parts.table) == ["meta.csv"]
    (fetched.folder / "LibriMix/metadata/meta.csv").write_text("changed")
    assert "is not the meta of the catalogue" in refused(fetched, parts.table)


@pytest.mark.parametrize("name", ["../../x", "/tmp/x", "L/test-clean/../../x"])
def test_a_name_that_leads_out_leaves_nothing(parts, served, fetched, tmp_path, name):
    served.files["/evil"] = make.make_tar([("L/test-clean/1/2/a.txt", b"1"), (name, b"evil")])
    part = make.part_of(served, "test-clean", "/evil")
    assert f"unsafe name '{name}'" in refused(fetched, part)
    left = [path for path in tmp_path.rglob("x") if path.is_file()]
    assert not left and not (fetched.folder / "LibriSpeech/test-clean").exists()


def test_an_archive_of_something_else_is_named(served, fetched):
    served.files["/other"] = make.make_tar([("L/other/1/2/a.flac", b"1")])
    message = refused(fetched, make.part_of(served, "test-clean", "/other"))
    assert "test-clean holds nothing there; check unpacks_to" in message


def test_a_folder_of_the_users_is_left_alone(parts, served, fetched):
    own = fetched.folder / "LibriSpeech/test-clean/84/own.flac"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"mine")
    message = refused(fetched, parts.speech)
    assert "was not made by this workflow as test-clean; use it with corpora.kind: local" in message
    assert own.read_bytes() == b"mine" and not served.asked


def test_a_full_disk_is_told_before_anything_moves(parts, served, fetched, monkeypatch):
    usage = SimpleNamespace(free=len(served.files[TAR]))
    monkeypatch.setattr(download.shutil, "disk_usage", lambda path: usage)
    message = refused(fetched, parts.speech)
    assert message.startswith(f"{fetched.folder}: test-clean needs ") and " are free; " in message
    assert "corpora.download.folder" in message and not served.asked
    usage.free = 1000
    assert "wham_noise needs" in refused(fetched, parts.noise, max_files=5)
    assert "ms_snsd needs" in refused(fetched, parts.git)
    assert served.sent.total() < 3 * remote.TAIL + 50_000


def test_a_disk_that_fills_up_leaves_what_can_be_gone_on_from(parts, served, fetched, monkeypatch):
    def full(self, *args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(download, "take_from_tar", full)
        with pytest.raises(OSError, match="No space left"):
            fetched(parts.speech)
    served.forget()
    assert fetched(parts.speech) and not served.sent.total()


def test_what_is_moved_is_said_first(parts, served, fetched, caplog):
    with caplog.at_level(logging.INFO):
        fetched(parts.noise, max_files=5)
    first, second, *_ = caplog.messages
    assert first.startswith("wham_noise: ") and " to fetch, " in first and "CC0 1.0" in first
    assert "5 of " in second and "to store" in second


def test_the_record_names_part_and_licence(parts, served, fetched):
    fetched(parts.noise, max_files=5)
    record = read_json(fetched.folder / "wham_noise" / RECORD)
    assert record["part"] == "wham_noise" and record["licence"] == "A corpus: CC0 1.0 (Nobody 2020)"


PROGRAM = """
import sys
from pathlib import Path
from pipeline.config import DownloadCorpus
from pipeline.corpora import download, remote
download.SPARE, remote.BLOCK = 0, 1 << 16
part = download.Part.model_validate_json(Path(sys.argv[1]).read_text())
settings = DownloadCorpus.model_validate_json(sys.argv[2])
download.download_part(part, settings, 0, Path(sys.argv[3]))
"""


@pytest.fixture
def beside(parts, fetched, served, tmp_path):
    """`beside(**limits)`: another process that fetches the speech, once it is at work."""

    def start(**limits) -> subprocess.Popen:
        served.manners = lambda path, number: Manners(slow=0.01)
        (tmp_path / "part.json").write_text(parts.speech.model_dump_json())
        settings = DownloadCorpus(folder=str(fetched.folder), speech=limits).model_dump_json()
        arguments = [tmp_path / "part.json", settings, tmp_path / "beside.csv"]
        process = subprocess.Popen([sys.executable, "-c", PROGRAM, *map(str, arguments)])
        while served.sent.total() < len(served.files[TAR]) // 4:
            time.sleep(0.01)
        return process

    return start


def test_two_runs_fetch_a_part_once(parts, served, fetched, beside, tmp_path, caplog):
    other = beside()
    with caplog.at_level(logging.INFO):
        files = fetched(parts.speech)
    assert other.wait() == 0 and "another run fetches it; waiting" in caplog.text
    assert served.sent.total() == len(served.files[TAR])
    assert len(read_manifest(tmp_path / "beside.csv")) == len(files)


@pytest.mark.parametrize("limits", [{}, {"max_speakers": 99}])
def test_a_killed_job_goes_on_where_it_was(parts, served, fetched, beside, tmp_path, limits):
    killed, size = beside(**limits), len(served.files[TAR])
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    held = (fetched.folder / "downloads/test-clean.tar.part").stat().st_size
    assert 0 < held < size and not (tmp_path / "beside.csv").exists()
    time.sleep(0.1)  # until the server has noticed
    served.forget()
    served.manners = lambda path, number: Manners()
    fetched(parts.speech, **limits)
    assert served.sent.total() == size - held
