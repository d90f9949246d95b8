"""The command as users call it: files in, files out, exit codes, and what is printed."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from takes import RATE, load, record, record_media, speech_like

from pipeline import denoise, separate
from pipeline.app.command import main
from pipeline.audio.encoding import FORMATS

ENVIRONMENT = dict(os.environ)
GATE = ["--model", "spectral_gating"]  # needs no weights


def dts(*arguments):
    """The exit code of a call in this process."""
    with pytest.raises(SystemExit) as caught:
        main([*map(str, arguments)])
    return caught.value.code or 0


@pytest.fixture
def talk(tmp_path):
    return record(tmp_path / "talk.wav", speech_like(RATE), RATE)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize("suffix", [*FORMATS, "m4a", "webm"])
def test_rate_length_channels_and_tags_are_kept(suffix, rate, channels, tmp_path, capsys):
    if suffix in ("opus", "webm") and rate == 44100:
        pytest.skip("Opus has no such rate")
    path, tags = tmp_path / f"talk.{suffix}", {"title": "Talk", "artist": "Someone"}
    if suffix in FORMATS:
        record(path, speech_like(rate, channels), rate, tags=tags)
    else:
        codec = {"m4a": "aac", "webm": "libopus"}[suffix]
        record_media(path, speech_like(rate, channels), rate, codec)
    before = path.read_bytes()
    assert dts("denoise", path, *GATE) == 0
    made = tmp_path / "talk.denoised.wav"
    assert capsys.readouterr().out == f"{made}\n"
    (header, given), (other, found) = load(path), load(made)
    assert found.shape == given.shape and other.sample_rate == header.sample_rate
    assert other.tags.get("title") == header.tags.get("title")
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("suffix", FORMATS)
def test_any_format_is_written(suffix, channels, tmp_path):
    path = record(tmp_path / "talk.wav", speech_like(48000, channels), 48000)
    assert dts("denoise", path, *GATE, "--format", suffix) == 0
    header, found = load(tmp_path / f"talk.denoised.{suffix}")
    assert (header.format, header.channels) == (FORMATS[suffix][0], channels)
    assert len(found) == len(load(path)[1])


@pytest.mark.parametrize(
    ("subtype", "expected"), [("PCM_16", "PCM_16"), ("PCM_24", "PCM_24"), ("FLOAT", "FLOAT")]
)
def test_samples_are_coded_as_those_of_the_recording(subtype, expected, tmp_path):
    path = record(tmp_path / "talk.wav", speech_like(RATE), RATE, subtype=subtype)
    assert dts("denoise", path, *GATE) == 0
    assert load(tmp_path / "talk.denoised.wav")[0].subtype == expected


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("channels", [1, 2])
def test_what_was_taken_away_and_what_is_left_are_the_recording(subtype, channels, tmp_path):
    path = record(tmp_path / "talk.wav", speech_like(16000, channels), 16000, subtype=subtype)
    assert dts("denoise", path, *GATE, "--noise-file", "--wet", 0.7) == 0
    parts = [load(tmp_path / f"talk.{name}.wav")[1] for name in ("denoised", "noise")]
    assert np.abs(sum(parts) - load(path)[1]).max() < 1e-5
    assert all(np.abs(part).max() > 0.01 for part in parts)


def test_wet_is_the_share_of_the_denoised_signal(talk, tmp_path):
    for wet in (1, 0.25, 0):
        out = tmp_path / str(wet)
        assert dts("denoise", talk, *GATE, "--wet", wet, "-o", out, "--subtype", "float") == 0
    whole, some, none = (load(tmp_path / w / "talk.denoised.wav")[1] for w in ("1", "0.25", "0"))
    recording = load(talk)[1]
    assert np.array_equal(none, recording)
    assert np.abs(some - (0.25 * whole + 0.75 * recording)).max() < 1e-6


def test_the_command_python_and_the_workflow_agree(networks, talk, tmp_path):
    """The workflow's estimates are compared in test_estimates.py."""
    options = ["--model", networks["separator"], "--subtype", "FLOAT"]
    assert dts("separate", talk, *options) == 0
    found = [load(tmp_path / f"talk.speaker-{k}.wav")[1][:, 0] for k in (1, 2)]
    of_file = separate(talk, model=networks["separator"])
    samples = load(talk)[1]
    of_array = separate(samples[:, 0], RATE, model=networks["separator"])
    assert np.abs(of_file - found).max() < 1e-6 and np.abs(of_array - found).max() < 1e-6
    column = separate(samples, RATE, model=networks["separator"])
    assert column.shape == (*of_array.shape, 1) and np.array_equal(column[:, :, 0], of_array)
    options = ["--model", networks["denoiser"], "--subtype", "FLOAT"]
    assert dts("denoise", talk, *options) == 0
    of_array = denoise(samples[:, 0], RATE, model=networks["denoiser"])
    assert np.abs(load(tmp_path / "talk.denoised.wav")[1][:, 0] - of_array).max() < 1e-6


def test_one_that_fails_stops_no_other(talk, tmp_path, capsys):
    (tmp_path / "empty.wav").touch()
    assert dts("denoise", tmp_path / "empty.wav", tmp_path / "no.wav", talk, *GATE) == 1
    out, err = capsys.readouterr()
    assert out == f"{tmp_path / 'talk.denoised.wav'}\n"
    lines = err.splitlines()
    assert len(lines) == 2 and all(line.startswith(f"error: {tmp_path}") for line in lines)
    assert not list(tmp_path.glob("*empty*denoised*"))


def test_an_output_that_is_there_is_refused_once(talk, tmp_path, capsys):
    made = tmp_path / "talk.denoised.wav"
    made.write_bytes(b"mine")
    assert dts("denoise", talk, *GATE) == 1
    assert "give --overwrite" in capsys.readouterr().err and made.read_bytes() == b"mine"
    assert dts("denoise", talk, *GATE, "--overwrite") == 0
    assert len(load(made)[1]) == len(load(talk)[1])


def test_a_dry_run_writes_nothing(talk, tmp_path, capsys, networks):
    assert (
        dts("separate", talk, "-o", tmp_path / "out", "-m", networks["separator"], "--dry-run") == 0
    )
    made = [tmp_path / f"out/talk.speaker-{k}.wav" for k in (1, 2)]
    assert capsys.readouterr().out.split() == [str(path) for path in made]
    assert list(tmp_path.iterdir()) == [talk]


def test_facts_as_json(talk, tmp_path, capsys):
    assert dts("denoise", talk, tmp_path / "no.wav", *GATE, "--json") == 1
    out, _ = capsys.readouterr()
    facts, failed = json.loads(out)
    samples = load(talk)[1]
    assert facts["samples"] == len(samples) and facts["channels"] == 1
    rms = 20 * np.log10(np.sqrt(np.square(samples, dtype=np.float64).mean()))
    assert facts["rms_dbfs"] == pytest.approx(rms, abs=0.01)
    assert facts["outputs"][0]["path"] == str(tmp_path / "talk.denoised.wav")
    assert facts["seconds"] > 0 and facts["rtf"] > 0 and facts["model"] == "spectral_gating"
    assert "no such file" in failed["error"]


def test_what_lies_above_the_band_is_told(networks, tmp_path, capsys):
    path = record(tmp_path / "talk.wav", speech_like(48000), 48000)
    assert dts("denoise", path, "-m", networks["wide"]) == 0
    assert "the outputs hold nothing above 8 kHz" in capsys.readouterr().err


def test_clipped_values_are_counted(tmp_path, capsys):
    loud = 30 * speech_like(RATE)
    path = record(tmp_path / "talk.wav", loud, RATE, subtype="FLOAT")
    assert dts("denoise", path, *GATE, "--wet", 0, "--subtype", "PCM_16") == 0
    count = int((np.abs(loud) > 1).sum())
    assert f"{count} values of talk.denoised.wav are beyond full scale" in capsys.readouterr().err


def test_standard_input(talk, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(talk.read_bytes())))
    assert dts("denoise", "-", *GATE) == 0
    assert (tmp_path / "stdin.denoised.wav").exists()


def test_standard_input_beside_a_file(talk, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(talk.read_bytes())))
    assert dts("denoise", "-", talk, *GATE) == 0
    assert (tmp_path / "here/stdin.denoised.wav").exists()
    assert (tmp_path / "talk.denoised.wav").exists()


def test_clipping_of_the_noise_is_told(tmp_path, capsys):
    loud = np.sign(speech_like(RATE)) * 0.99
    path = record(tmp_path / "talk.wav", loud.astype(np.float32), RATE)
    assert dts("denoise", path, *GATE, "--noise-file") == 0
    noise = load(tmp_path / "talk.noise.wav")[1]
    told = "talk.noise.wav are beyond full scale" in capsys.readouterr().err
    assert told == bool((np.abs(noise) >= 1 - 2**-15).any())


def test_a_reader_that_goes_away(talk, tmp_path):
    command = f"{sys.executable} -m pipeline denoise {talk} {' '.join(GATE)} | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=ENVIRONMENT)
    assert "Traceback" not in done.stderr


def test_a_folder_with_its_tree(tmp_path):
    for name in ("a/talk.wav", "a/b/talk.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        record(tmp_path / name, speech_like(RATE), RATE)
    assert dts("denoise", tmp_path / "a", "-o", tmp_path / "out", *GATE) == 0
    made = sorted(path.relative_to(tmp_path / "out") for path in tmp_path.glob("out/**/*.wav"))
    assert [str(path) for path in made] == ["b/talk.denoised.wav", "talk.denoised.wav"]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--model", "nothing"], "nothing (relative to the working folder"),
        (["--model", "spectral_gating", "--subtype", "VORBIS"], "--subtype: wav has no VORBIS"),
    ],
)
def test_a_wrong_call(talk, options, line, capsys):
    assert dts("denoise", talk, *options) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {line}") and err.count("\n") == 1


@pytest.mark.parametrize("options", [["--wet", "2"], ["--format", "midi"], ["--threads", "0"], []])
def test_what_the_parser_refuses(talk, options):
    assert dts("denoise", *([talk, *options] if options else [])) == 2


def test_a_folder_that_cannot_be_made(talk, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert dts("denoise", talk, "-o", tmp_path / "file/deep", *GATE) == 1
    assert "choose another folder as -o" in capsys.readouterr().err


def test_models_are_listed(capsys):
    assert dts("models") == 0
    words = capsys.readouterr().out
    assert "separator_2" in words and "separates 2 speakers, 8000 Hz, 0.82 M parameters" in words
    assert dts("models", "--json") == 0
    names = [row["name"] for row in json.loads(capsys.readouterr().out)]
    assert {"separator_2", "rnnoise", "spectral_gating"} <= set(names)


def test_facts_of_a_recording_and_of_a_network(tmp_path, networks, capsys):
    path = record(tmp_path / "a.flac", speech_like(RATE, 2), RATE, tags={"title": "A talk"})
    assert dts("info", path, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["sample_rate"], facts["channels"], facts["title"]) == (RATE, 2, "A talk")
    assert facts["samples"] == len(load(path)[1])
    assert dts("info", networks["denoiser"]) == 0
    assert "task: denoise\n" in capsys.readouterr().out
    assert dts("info", tmp_path / "no.wav") == 2


def test_where_the_report_is(tmp_path, capsys):
    assert dts("report", tmp_path) == 2 and "run the workflow" in capsys.readouterr().err
    page = tmp_path / "report/index.html"
    page.parent.mkdir()
    page.touch()
    assert dts("report", tmp_path) == 0 and capsys.readouterr().out == f"{page}\n"


def test_no_network_is_asked_for(talk, tmp_path, monkeypatch):
    """A shipped network on a recording, with every socket refused."""

    def refuse(*given):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    assert dts("separate", talk) == 0
    assert (tmp_path / "talk.speaker-2.wav").exists()


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_call_that_is_stopped_leaves_nothing(networks, tmp_path, sent, code):
    path = record(tmp_path / "talk.wav", speech_like(RATE, seconds=600), RATE)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = [sys.executable, "-m", "pipeline", "separate", str(path), "-m", networks["separator"]]
    running = subprocess.Popen(command, env=ENVIRONMENT | {"TMPDIR": str(scratch)})
    began = time.monotonic()
    while not list(scratch.glob("*/track*")) and time.monotonic() - began < 60:
        time.sleep(0.01)
    running.send_signal(sent)
    assert running.wait(60) == code
    assert not list(scratch.iterdir()) and sorted(tmp_path.iterdir()) == [scratch, path]


def test_importing_the_package_is_fast():
    """It imports nothing that takes long; torch alone would take a second."""
    code = "import pipeline, sys; print(sorted({'torch', 'numpy', 'pandas'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
