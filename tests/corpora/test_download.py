import random
import shutil
from types import SimpleNamespace

import pytest
import served as make
from loopback import Manners
from served import refused

from pipeline import audio
from pipeline.config import DownloadCorpus
from pipeline.corpora import download, held
from pipeline.corpora.listing import list_files
from pipeline.fetch import remote

TAR, ZIP = "/test-clean.tar.gz", "/wham_noise.zip"


def sound(names):
    return [name for name in names if not name.endswith(".txt")]


def speakers(names):
    return list(dict.fromkeys(name.split("/")[0] for name in names))


def test_a_whole_tar(parts, served, fetched, corpus):
    members = make.contents(make.speech_members(corpus, "test"), "test-clean")
    assert fetched(parts.speech) == list(members)
    folder = fetched.folder / "LibriSpeech/test-clean"
    assert all((folder / name).read_bytes() == content for name, content in members.items())
    assert (fetched.folder / "LibriSpeech/SPEAKERS.TXT").read_bytes() == make.speakers_text(corpus)
    assert served.sent.total() == len(served.files[TAR])


def test_existing_files_are_not_fetched_again(parts, served, fetched):
    for part in vars(parts).values():
        first = fetched(part)
        served.forget()
        assert fetched(part, out="again.csv") == first
        assert not served.asked


def test_a_few_speakers_of_a_tar_move_a_part_of_it(parts, served, fetched, corpus, monkeypatch):
    monkeypatch.setattr(remote, "BLOCK", 1 << 16)
    names = make.contents(make.speech_members(corpus, "test"), "test-clean")
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


def test_limited_utterances_read_all_and_keep_few(parts, served, fetched):
    got = fetched(parts.speech, max_utterances=1)
    assert len(sound(got)) == len(speakers(got)) == len(speakers(fetched(parts.speech)))


def test_a_wider_folder_serves_a_narrower_run(parts, served, fetched):
    alone = fetched(parts.speech, max_speakers=1, max_utterances=2)
    shutil.rmtree(fetched.folder)
    fetched(parts.speech)
    served.forget()
    assert sound(fetched(parts.speech, max_speakers=1, max_utterances=2)) == sound(alone)
    assert not served.asked


def test_a_folder_too_narrow_is_fetched_again(parts, served, fetched):
    few = fetched(parts.speech, max_speakers=1)
    more = fetched(parts.speech, max_speakers=3)
    assert more[: len(few)] == few and len(speakers(more)) == 3


def test_an_interrupted_stream_continues(parts, served, fetched, monkeypatch):
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
    assert message.count("; ") == 1  # the only cure is the one for all mirrors
    assert message.endswith("; add another with corpora.download.catalogue")
    assert not list(fetched.folder.rglob("*.flac")) and not list(fetched.folder.rglob("*.part"))
    mirrored = make.part_of(served, "test-clean", TAR, **values, mirrors=served.url("/mirror"))
    for path in sound(fetched(mirrored, max_speakers=2)):
        audio.check_flac(fetched.folder / "LibriSpeech/test-clean" / path)


@pytest.mark.parametrize("limits", [{}, {"max_speakers": 2}])
def test_a_server_without_ranges_is_used_nevertheless(parts, served, fetched, limits, monkeypatch):
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


def test_a_single_file(parts, served, fetched):
    assert fetched(parts.table) == ["meta.csv"]
    table = fetched.folder / "LibriMix/metadata/meta.csv"
    table.write_text("changed")
    line = refused(fetched, parts.table)
    assert line.startswith(f"{table}: is not the meta of the catalogue (has 7 bytes where")
    assert line.endswith("; move it away")
    table.rename(table.with_name("mine.csv"))  # the cure
    assert fetched(parts.table) == ["meta.csv"]


@pytest.mark.parametrize("name", ["../../x", "/tmp/x", "L/test-clean/../../x"])
def test_a_name_that_leads_out_leaves_nothing(parts, served, fetched, tmp_path, name):
    served.files["/evil"] = make.make_tar([("L/test-clean/1/2/a.txt", b"1"), (name, b"evil")])
    part = make.part_of(served, "test-clean", "/evil")
    assert f"unsafe name {name!r}" in refused(fetched, part)
    left = [path for path in tmp_path.rglob("x") if path.is_file()]
    assert not left and not (fetched.folder / "LibriSpeech/test-clean").exists()


def test_an_archive_of_something_else_is_named(parts, served, fetched):
    served.files["/other"] = make.make_tar([("L/other/1/2/a.flac", b"1")])
    message = refused(fetched, make.part_of(served, "test-clean", "/other"))
    assert "holds nothing in a folder 'test-clean'; check unpacks_to" in message
    served.files |= {"/other": served.files[TAR]}
    part = make.part_of(served, "test-clean", "/other")
    assert fetched(part)


def test_a_folder_of_the_users_is_left_alone(parts, served, fetched, tmp_path, patience):
    own = fetched.folder / "LibriSpeech/test-clean/84/own.flac"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"mine")
    message = refused(fetched, parts.speech)
    assert "was not made by this workflow as test-clean; use it with corpora.kind: local" in message
    assert own.read_bytes() == b"mine" and not served.asked
    assert list_files(own.parents[1], "").audio == [own]  # the cures: use it as a corpus on disk
    elsewhere = DownloadCorpus(folder=str(tmp_path / "another"))
    download.download_part(parts.speech, elsewhere, 0, tmp_path / "part.csv", patience)


def test_a_full_disk_is_told_before_anything_moves(parts, served, fetched, monkeypatch):
    usage = SimpleNamespace(free=len(served.files[TAR]))
    monkeypatch.setattr(held.shutil, "disk_usage", lambda path: usage)
    message = refused(fetched, parts.speech)
    assert message.startswith(f"{fetched.folder}: test-clean needs ") and " are free; " in message
    assert "corpora.download.folder" in message and not served.asked
    usage.free = 1000
    assert "wham_noise needs" in refused(fetched, parts.noise, max_files=5)
    assert "ms_snsd needs" in refused(fetched, parts.git)
    assert served.sent.total() < 3 * remote.TAIL + 50_000
    usage.free = 10**9  # some space is freed, or the folder is moved to another disk
    assert fetched(parts.noise, max_files=5)


def test_a_disk_that_fills_up_leaves_a_resumable_download(parts, served, fetched, monkeypatch):
    def full(self, *args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(download, "take_from_tar", full)
        with pytest.raises(OSError, match="No space left"):
            fetched(parts.speech)
    served.forget()
    assert fetched(parts.speech) and not served.sent.total()


def test_runs_of_different_limits_share_a_folder(parts, served, fetched):
    few = fetched(parts.speech, max_speakers=2)
    one = fetched(parts.speech, max_utterances=1)
    assert len(sound(one)) == len(speakers(one)) > 2
    served.forget()
    assert sound(fetched(parts.speech, max_speakers=2)) == sound(few)
    assert not served.asked


def test_a_vanished_file_counts_only_where_it_is_wanted(parts, served, fetched, caplog):
    everything = fetched(parts.speech)
    last = fetched.folder / "LibriSpeech/test-clean" / sound(everything)[-1]
    last.write_bytes(b"cut")
    served.forget()
    fetched(parts.speech, max_speakers=1)
    assert not served.asked and not caplog.text
    assert fetched(parts.speech) == everything and served.asked
    assert "1 files are missing or changed; fetched again" in caplog.text


def test_an_archive_left_behind_is_checked(parts, served, fetched):
    left = fetched.folder / "downloads/test-clean.tar"
    left.parent.mkdir(parents=True)
    left.write_bytes(make.make_tar([("L/test-clean/1/2/other.flac", b"another version")]))
    assert "1/2/other.flac" not in fetched(parts.speech)
    assert served.sent.total() == len(served.files[TAR])


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_that_is_a_link_is_filled_where_it_leads(parts, fetched, tmp_path, there):
    far = tmp_path / "other disk/far"
    far.mkdir(parents=True)
    if not there:
        far.rmdir()
    (fetched.folder / "LibriSpeech").mkdir(parents=True)
    (fetched.folder / "LibriSpeech/test-clean").symlink_to(far)
    assert len(speakers(fetched(parts.speech, max_speakers=1))) == 1
    assert len(speakers(fetched(parts.speech, max_speakers=2))) == 2
    assert (fetched.folder / "LibriSpeech/test-clean").is_symlink() and any(far.iterdir())
    assert (fetched.folder / "LibriSpeech/SPEAKERS.TXT").exists()
    assert [path.name for path in far.parent.iterdir()] == ["far"]


def test_a_part_that_comes_in_another_format_is_fetched_again(parts, served, fetched, corpus):
    fetched(parts.noise, max_files=3)
    served.files["/noise.tar.gz"] = make.make_tar(make.noise_members(corpus))
    noise = {"kind": "noise", "unpacks_to": "wham_noise"}
    packed = make.part_of(served, "wham_noise", "/noise.tar.gz", **noise)
    everything = fetched(packed)
    assert sorted(everything) == fetched(parts.noise)
