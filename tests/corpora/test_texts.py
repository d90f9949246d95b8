"""Transcripts and lists of speakers, as written by editors and other systems."""

import pytest

from pipeline.base.errors import PipelineError
from pipeline.corpora.texts import read_sexes, read_transcripts

LINES = "84-7-0000 HOW ARE YOU\n84-7-0001 I AM  WELL\n"
SAID = {"84-7-0000": "HOW ARE YOU", "84-7-0001": "I AM  WELL"}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "84-7.trans.txt"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: "\ufeff" + text,
        lambda text: text.replace("84-7-0000 ", "84-7-0000\t").replace("01 ", "01 \t "),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\n" + text.rstrip(),
    ],
    ids=["as LibriSpeech", "byte order mark", "tabs", "Windows", "empty line"],
)
def test_a_line_is_a_name_and_its_words(file, change):
    file.write_bytes(change(LINES).encode())
    texts = read_transcripts([file], needed=True)
    assert {name: texts[name] for name in SAID} == SAID


def test_an_utterance_may_have_no_words(file):
    file.write_text("84-7-0000\n84-7-0001 \n", encoding="utf-8")
    assert read_transcripts([file], needed=True) == {"84-7-0000": "", "84-7-0001": ""}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_named(file, encoding):
    mark = "" if encoding == "utf-16" else "\ufeff"
    file.write_bytes((mark + LINES).encode(encoding))
    for read in (lambda: read_transcripts([file], needed=True), lambda: read_sexes(file)):
        with pytest.raises(PipelineError) as error:
            read()
        assert str(error.value) == f"{file}: is UTF-16 text; save it as UTF-8"
    file.write_text(file.read_text(encoding="utf-16"), encoding="utf-8")  # the cure
    assert read_transcripts([file], needed=True) == SAID


def test_every_bad_transcript_is_named(tmp_path):
    files = [tmp_path / f"{n}.trans.txt" for n in range(7)]
    for file in files:
        file.write_bytes(b"84-7-0000 \xe9")
    with pytest.raises(PipelineError) as error:
        read_transcripts(files, needed=True)
    causes = str(error.value).split("save it as UTF-8; ")
    assert [cause.split(": ")[0] for cause in causes[:5]] == [str(file) for file in files[:5]]
    assert str(error.value).endswith("; and 2 more")


def test_a_list_of_speakers_may_have_a_byte_order_mark(tmp_path):
    file = tmp_path / "SPEAKERS.TXT"
    file.write_text("84 | F | train-clean\n85 | M | dev-clean | 1 | É\n", encoding="utf-8-sig")
    assert read_sexes(file) == {"84": "F", "85": "M"}
    file.write_bytes("84 | F | É\n".encode("latin-1"))  # a name is not used
    assert read_sexes(file) == {"84": "F"}
    assert read_sexes(tmp_path / "none") == {}
