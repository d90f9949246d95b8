"""What the lines of the command advise works when it is followed."""

import io
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from takes import RATE, load, record, record_media, speech_like

from pipeline import denoise
from pipeline.app.command import main
from pipeline.app.tracks import decode, in_memory
from pipeline.base.errors import PipelineError

GATE = ["--model", "spectral_gating"]


@pytest.fixture
def calls(capsys, tmp_path, monkeypatch):
    """Calls `dts denoise` in the folder of the test: what went wrong, or nothing."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        with pytest.raises(SystemExit):
            main(["denoise", *map(str, arguments)])
        return capsys.readouterr().err.strip()

    return call


@pytest.fixture
def talk(tmp_path):
    return record(tmp_path / "talk.wav", speech_like(RATE), RATE)


def test_files_that_cannot_be_taken(calls, talk, tmp_path):
    """Each line tells to give or fetch another file: the whole one in its place is taken."""
    mp3 = record(tmp_path / "whole.mp3", speech_like(RATE, seconds=5), RATE).read_bytes()
    film = record_media(tmp_path / "whole.m4a", speech_like(RATE), RATE).read_bytes()
    mkv = record_media(tmp_path / "whole.mkv", speech_like(RATE, seconds=5), RATE).read_bytes()
    bad = {
        "silent.wav": (np.zeros((800, 1)), "is silent"),
        "nan.wav": (np.full((800, 1), np.nan), "holds NaN or infinite samples"),
        "short.mp3": (mp3[: len(mp3) // 2], "ends at sample"),
        "text.m4a": (b"text" * 100, "cannot be decoded"),
        "none.m4a": (without_samples(film), "cannot be decoded"),
        "empty.m4a": (b"", "cannot be decoded"),
        "half.mkv": (mkv[: len(mkv) // 2], "ends at sample"),
    }
    for name, (content, line) in bad.items():
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            record(path, content.astype(np.float32), RATE, subtype="FLOAT")
        assert line in calls(name, *GATE)
        whole = {"wav": talk.read_bytes(), "mp3": mp3, "m4a": film, "mkv": mkv}[name.split(".")[1]]
        path.write_bytes(whole)
        assert not calls(name, *GATE)


def without_samples(film):
    """A phone recording of which only the beginning of the header is left."""
    return film[:40]


def test_a_film_without_sound_and_a_recording(calls, talk, tmp_path):
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        track = container.add_stream("mpeg4", rate=10)
        track.width, track.height, track.pix_fmt = 32, 32, "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
        container.mux([*track.encode(picture), *track.encode(None)])
    assert "has no sound track; give a recording" in calls("a.mp4", *GATE)
    assert not calls(talk, *GATE)


def test_a_film_whose_sound_is_empty(calls, tmp_path, monkeypatch):
    path = record_media(tmp_path / "a.m4a", speech_like(RATE), RATE)
    with monkeypatch.context() as patch:  # no encoder here writes such a file
        patch.setattr("pipeline.audio.media._blocks", lambda *given: iter(()))
        assert "holds no samples; fetch the file again" in calls(path, *GATE)
    assert not calls(path, *GATE)


def test_media_once_their_reader_is_installed(calls, tmp_path, monkeypatch):
    path = record_media(tmp_path / "a.m4a", speech_like(RATE), RATE)
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.audio.media.find_spec", lambda name: None)
        assert "pip install 'denoise-then-separate[media]'" in calls(path, *GATE)
    assert not calls(path, *GATE)


def test_permissions(calls, tmp_path, monkeypatch):
    path = record_media(tmp_path / "a.m4a", speech_like(RATE), RATE)
    path.chmod(0)
    if os.access(path, os.R_OK):  # root may read anything
        plain = Path.open

        def opened(self, *given, **options):
            if self == path and not self.stat().st_mode & 0o400:
                raise PermissionError(13, "Permission denied", str(path))
            return plain(self, *given, **options)

        monkeypatch.setattr(Path, "open", opened)
    assert "may not be read; check its permissions" in calls(path, *GATE)
    path.chmod(0o600)
    assert not calls(path, *GATE)


def test_names_without_recordings(calls, talk, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "empty: holds no recordings; check the folder" in calls("empty", *GATE)
    assert "*.ogg: no file has such a name; check the pattern" in calls("*.ogg", *GATE)
    assert not calls(".", "*.wav", *GATE)


def test_an_output_that_is_there(calls, talk):
    assert not calls(talk, *GATE)
    assert "give --overwrite, or another -o" in calls(talk, *GATE)
    assert not calls(talk, *GATE, "--overwrite")
    assert not calls(talk, *GATE, "-o", "other")


def test_an_input_in_the_place_of_an_output(calls, talk, tmp_path):
    other = record(tmp_path / "talk.denoised.wav", speech_like(RATE), RATE)
    line = calls(talk, other, *GATE, "--overwrite")
    assert "is an input of this call; give another -o" in line
    assert not calls(talk, other, *GATE, "-o", "elsewhere")


def test_a_name_that_cannot_be_a_file(calls, talk, tmp_path):
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    assert "cannot be a file; check the name, or where the link leads" in calls("loop.wav", *GATE)
    (tmp_path / "loop.wav").unlink()
    (tmp_path / "loop.wav").symlink_to(talk)
    assert not calls("loop.wav", *GATE)


def test_standard_input_that_is_empty(calls, talk, monkeypatch):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO()))
    assert "standard input: is empty; give a recording" in calls("-", *GATE)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(talk.read_bytes())))
    assert not calls("-", *GATE)


def test_a_wav_of_more_than_it_can_hold(calls, networks, tmp_path, monkeypatch):
    """The limit lies between the track at 16 kHz and the output at 48 kHz."""
    monkeypatch.setattr("pipeline.audio.encoding.LARGEST", 50_000)
    path = record(tmp_path / "long.flac", speech_like(48000), 48000)
    options = ["--model", networks["wide"], "--subtype", "FLOAT"]
    line = calls(path, *options)
    assert "is too long for WAV, which holds 4 GB; give --format w64" in line
    assert "error" not in calls(path, *options, "--format", "w64")


def test_a_denoiser_that_does_not_ship(calls, talk):
    assert "--model: no denoiser ships so far; give " in calls(talk)
    assert not calls(talk, *GATE)


def test_a_folder_that_cannot_be_made(calls, talk, tmp_path):
    (tmp_path / "file").touch()
    assert "choose another folder as -o" in calls(talk, *GATE, "-o", "file/deep")
    assert not calls(talk, *GATE, "-o", "folder/deep")


def test_formats_and_codings(calls, tmp_path):
    path = record(tmp_path / "wide.wav", speech_like(44100), 44100)
    assert "choose another --format or --subtype" in calls(path, *GATE, "--format", "opus")
    assert not calls(path, *GATE, "--format", "ogg")
    assert "--subtype: flac has no FLOAT; choose one of" in (
        calls(path, *GATE, "--format", "flac", "--subtype", "FLOAT")
    )
    assert not calls(path, *GATE, "--format", "flac", "--subtype", "PCM_24")


def test_networks(calls, talk, networks):
    assert "give another --model" in calls(talk, "--model", networks["separator"])
    assert "leave out --stream, or give a causal" in calls(talk, *GATE, "--stream")
    assert not calls(talk, "--model", networks["denoiser"], "--stream")


def test_arrays():
    signal = speech_like(RATE)
    with pytest.raises(PipelineError, match="give that of the array, in Hz"):
        denoise(signal, model="spectral_gating")
    assert denoise(signal, RATE, model="spectral_gating").shape == signal.shape
    for shape in (signal[None], signal.T, signal[:0]):
        with pytest.raises(PipelineError, match=r"give \[time\] or \[time, channels\]"):
            denoise(shape, RATE, model="spectral_gating")
    with pytest.raises(PipelineError, match="give floats in -1 to 1"):
        denoise((signal * 32767).astype(np.int16), RATE, model="spectral_gating")
    with pytest.raises(PipelineError, match="give a share from 0 to 1"):
        denoise(signal, RATE, model="spectral_gating", wet=2)


def test_a_recording_that_is_too_long(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.app.tracks.LONGEST", 4000)
    with pytest.raises(PipelineError, match="cut it into parts"):
        decode(in_memory(speech_like(RATE, seconds=1), RATE), tmp_path, RATE, False)
    part = decode(in_memory(speech_like(RATE, seconds=0.5), RATE), tmp_path, RATE, False)
    assert len(load(part.paths[0])[1]) == 4000


def test_a_report_that_is_not_there(capsys, tmp_path):
    with pytest.raises(SystemExit):
        main(["report", str(tmp_path)])
    assert "run the workflow, or give its results folder" in capsys.readouterr().err
    (tmp_path / "results/report").mkdir(parents=True)
    (tmp_path / "results/report/index.html").touch()
    with pytest.raises(SystemExit) as caught:
        main(["report", str(tmp_path / "results")])
    assert caught.value.code == 0
