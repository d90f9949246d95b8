import json
import logging

import pytest
import served as make
from loopback import Manners
from served import refused

from pipeline.base.errors import PipelineError
from pipeline.base.files import read_json
from pipeline.corpora import download
from pipeline.corpora.catalogue import load_catalogue
from pipeline.corpora.held import RECORD
from pipeline.corpora.scan import fetched_files
from pipeline.fetch import remote

ZIP = "/wham_noise.zip"


def test_a_few_recordings_of_a_zip_move_a_part_of_it(parts, served, fetched, corpus, caplog):
    got = fetched(parts.noise, max_files=12)
    members = make.contents(make.noise_members(corpus), "wham_noise")
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


def test_an_interrupted_selection_continues(parts, served, fetched):
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
    part = parts.noise.model_copy(update={"mirrors": [served.url("/good")]})
    assert len(fetched(part, max_files=12)) == 12


def test_a_vanished_recording_is_fetched_again(parts, served, fetched, tmp_path, caplog):
    got = fetched(parts.noise, max_files=5)
    (fetched.folder / "wham_noise" / got[0]).unlink()
    (fetched.folder / "wham_noise" / got[1]).write_bytes(b"cut")
    served.forget()
    with pytest.raises(PipelineError) as error:
        fetched_files([tmp_path / "part.csv"])
    assert str(error.value) == (
        f"{fetched.folder.resolve() / 'wham_noise' / got[0]}: was fetched and has vanished, 1 files"
        " in all; run again with --forcerun download"
    )
    assert fetched(parts.noise, max_files=5) == got  # like that job
    assert len(fetched_files([tmp_path / "part.csv"])) == 5
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
def test_a_bad_listing_is_refused(parts, served, fetched, tmp_path, tree, words):
    right = served.files[f"/repos/o/r/git/trees/{make.COMMIT}"]
    served.files[f"/repos/o/r/git/trees/{make.COMMIT}"] = json.dumps(tree).encode()
    line = refused(fetched, parts.git)
    assert words in line
    assert line.endswith("; give another address of it with corpora.download.catalogue")
    for path in [path for path in served.files if path.startswith("/repos/o/")]:
        served.files[path.replace("/o/", "/p/")] = served.files[path]
    served.files[f"/repos/p/r/git/trees/{make.COMMIT}"] = right
    own = tmp_path / "own.csv"
    address = served.url(f"/repos/p/r/git/trees/{make.COMMIT}")
    own.write_text(f"part,address,unpacks_to\nms_snsd,{address},ms_snsd\n", encoding="utf-8")
    cured = load_catalogue(own)["ms_snsd"]
    assert cured.addresses[0] == address
    assert fetched(cured.model_copy(update={"mirrors": [parts.git.address]}), max_files=3)


def test_the_size_to_fetch_is_printed_first(parts, served, fetched, caplog):
    with caplog.at_level(logging.INFO):
        fetched(parts.noise, max_files=5)
    first, second, *_ = caplog.messages
    assert first.startswith("wham_noise: ") and " to fetch, " in first and "CC0 1.0" in first
    assert "5 of " in second and "to store" in second


def test_the_record_names_part_and_licence(parts, served, fetched):
    fetched(parts.noise, max_files=5)
    record = read_json(fetched.folder / "wham_noise" / RECORD)
    assert record["part"] == "wham_noise" and record["licence"] == "A corpus: CC0 1.0 (Nobody 2020)"


@pytest.mark.parametrize(
    "members", [[], [("wham_noise/tr/a.wav", b"1"), ("wham_noise/cv/a.wav", b"1")]]
)
@pytest.mark.parametrize("limits", [{}, {"max_files": 3}])
def test_a_zip_without_a_split_is_refused(parts, served, fetched, members, limits):
    good = served.files[ZIP]
    served.files[ZIP] = make.make_zip(members)
    part = parts.noise.model_copy(update={"bytes": None})
    assert "holds no recordings in wham_noise/" in refused(fetched, part, **limits)
    served.files[ZIP] = good
    assert fetched(part, **limits)


@pytest.mark.parametrize("limits", [{}, {"max_files": 5}])
def test_an_interrupted_unpacking_continues_from_the_archive(
    parts, served, fetched, monkeypatch, limits
):
    def interrupt(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(download, "take_from_zip", interrupt)
        fetched(parts.noise)
    served.forget()
    assert fetched(parts.noise, **limits) and not served.asked


def test_a_repository_that_changed_a_file_is_followed(parts, served, fetched):
    first = fetched(parts.git, max_files=4)
    (fetched.folder / "ms_snsd" / first[0]).write_bytes(b"cut")
    same_size = fetched.folder / "ms_snsd" / first[1]
    right = same_size.read_bytes()
    same_size.write_bytes(right[::-1])
    assert fetched(parts.git, max_files=4) == first and same_size.read_bytes() == right
