"""Bad input through the whole workflow: one line that names the file or key and the cure.

`docs/bad-input.md` lists the same cases with the lines they print.
"""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
import yaml
from workspace import ROOT, SMOKE, Workspace, merge

CONFIG = {
    "shards": 1,
    "corpora": {"kind": "local"},
    "mixtures": {
        "num_speakers": 3,
        "min_seconds": 0.5,
        "counts": {"train": 4, "dev": 2, "test": 2},
    },
}


@pytest.fixture
def attempt(workspace, corpus, tmp_path):
    """Fill a corpus, damage it, run a target on it; return the exit code and the output."""

    def run(damage=lambda corpus: None, target="mixtures", **changes) -> tuple[int, str]:
        corpus.fill(speakers=3, utterances=2)
        damage(corpus)
        local = {
            "speech": str(corpus.speech),
            "noise": str(corpus.noise),
            "subsets": corpus.subsets,
        }
        values = merge(CONFIG, {"corpora": {"local": local}})
        config = tmp_path / "bad.yaml"
        config.write_text(yaml.safe_dump(merge(values, changes)), encoding="utf-8")
        done = workspace.run(target, config=(SMOKE, config))
        return done.returncode, done.stdout + done.stderr

    return run


def first(corpus) -> Path:
    return sorted((corpus.speech / "train-clean").rglob("*.flac"))[0]


def truncate(corpus) -> None:
    path = first(corpus)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def rewrite(change):
    def damage(corpus) -> None:
        path = first(corpus)
        samples, rate = sf.read(path, dtype="float32")
        changed = change(samples)
        target = path if changed.dtype != np.float64 else path.with_suffix(".wav")
        if target != path:
            path.unlink()
            sf.write(target, changed, rate, subtype="FLOAT")
        else:
            sf.write(target, changed, rate)

    return damage


def with_nan(samples):
    return np.concatenate([samples.astype(np.float64), [np.nan]])


def move_speaker(corpus) -> None:
    source = corpus.speech / "train-clean/1001"
    (corpus.speech / "dev-clean/1001").parent.mkdir(exist_ok=True)
    source.rename(corpus.speech / "dev-clean/1001")
    corpus.speak("train", "1001", 7)


def remove_speaker(corpus) -> None:
    for path in (corpus.speech / "train-clean/1001").rglob("*.flac"):
        path.unlink()


def empty_noise(corpus) -> None:
    for path in (corpus.noise / "tt").iterdir():
        path.unlink()


def kill_microphone(corpus) -> None:
    sf.write(corpus.noise / "tr/dead.wav", np.full(32000, 0.05), 16000)


SCANNED = "results/corpora/scan/{}.csv"
CONVERTED = "results/corpora/{}/1-of-1"
SPEECH, NOISE = (
    tuple(stage.format(c) for stage in (SCANNED, CONVERTED)) for c in ("speech", "noise")
)
# The damage, the output that the corpus is needed for, and the line.
DAMAGED = {
    "truncated": (truncate, SPEECH[1], "1001-7-0000.flac: "),
    "empty": (
        lambda c: first(c).write_bytes(b""),
        SPEECH[0],
        "1001-7-0000.flac: cannot be read as audio",
    ),
    "garbage": (
        lambda c: first(c).write_bytes(bytes(range(256)) * 16),
        SPEECH[0],
        "1001-7-0000.flac: cannot be read as audio",
    ),
    "silent": (rewrite(lambda s: 0 * s), SPEECH[1], "1001-7-0000.flac: is silent"),
    "dead microphone": (kill_microphone, NOISE[1], "dead.wav: is silent"),
    "nan": (rewrite(with_nan), SPEECH[1], "1001-7-0000.wav: holds NaN or infinite samples"),
    "no folder": (
        lambda c: (c.speech / "dev-clean").rename(c.speech / "elsewhere"),
        "mixtures",
        "dev-clean: no such folder; check corpora.local.speech and corpora.local.subsets",
    ),
    "layout": (
        lambda c: first(c).rename(c.speech / "train-clean/stray.flac"),
        SPEECH[0],
        "stray.flac: not in LibriSpeech's layout",
    ),
    "speaker in two splits": (
        move_speaker,
        SPEECH[0],
        "corpora: speaker 1001 is in train and dev",
    ),
    "too few speakers": (remove_speaker, "mixtures", "corpora: split train has 2 speakers"),
    "copied recording": (
        lambda c: shutil.copyfile(c.noise / "tr/long.wav", c.noise / "tt/new.wav"),
        NOISE[0],
        "new.wav: is the same recording as",
    ),
    "empty noise split": (empty_noise, NOISE[0], "tt: holds no audio"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_corpus(attempt, case, corpus):
    damage, target, line = DAMAGED[case]
    code, printed = attempt(damage, target)
    assert code != 0
    assert_one_documented_line(printed, line, corpus)


def test_a_relative_corpus_that_is_elsewhere(attempt, workspace, corpus):
    code, printed = attempt(target="corpora", corpora={"local": {"speech": "LibriSpeech"}})
    assert code != 0
    printed = printed.replace(str(workspace.folder), "/run")
    assert_one_documented_line(printed, "(relative to the working folder /run)", corpus)


SETTINGS = {
    "unknown key": ({"mixtures": {"num_speaker": 2}}, "mixtures.num_speaker: unknown key; allowed"),
    "ill-typed": ({"training": {"epochs": "many"}}, "training.epochs: Input should be a valid int"),
    "rate": ({"sample_rate": 44100}, "sample_rate: Input should be 8000 or 16000"),
    "no such denoiser": (
        {"separators": {"conv_tasnet": {"conditions": ["denoised-x"]}}},
        "separators.conv_tasnet.conditions: 'denoised-x' is not one of clean, noisy,",
    ),
    "no such part": (
        {"corpora": {"kind": "download", "download": {"noise": {"corpus": "wham"}}}},
        "corpora.download.noise.corpus: 'wham' is not in the catalogue",
    ),
    "model": (
        {"denoisers": {"conv_tasnet": {"model": "unet"}}},
        "denoisers.conv_tasnet.model: 'unet' is not registered; allowed: conv_tasnet, dprnn,"
        " dptnet, sudormrf, tiger, chain, demucs, wave_u_net, gatewave",
    ),
    "argument": (
        {"denoisers": {"conv_tasnet": {"arguments": {"Q": 1}}}},
        "denoisers.conv_tasnet.arguments.Q: unknown key; allowed here: B, H, L",
    ),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_wrong_settings(attempt, case, corpus):
    changes, line = SETTINGS[case]
    code, printed = attempt(**changes)
    assert code != 0
    assert_one_documented_line(printed, line, corpus)


PLANS = {
    "too many mixtures": (
        "mixtures={counts: {train: 5000}}",
        "mixtures.counts.train: 5000 mixtures asked, the utterances give 160",
    ),
    "all too short": (
        "mixtures={min_seconds: 60.0}",
        "split train has 0 speakers with long enough utterances",
    ),
}


@pytest.mark.parametrize("case", PLANS)
def test_a_plan_that_the_corpora_do_not_allow(finished, case, corpus, tmp_path):
    change, line = PLANS[case]
    plan = "results/mixtures/plan/train/1-of-1.csv"
    done = finished.copy(tmp_path / "run").run(plan, "--config", change)
    assert done.returncode != 0
    assert_one_documented_line(done.stdout + done.stderr, line, corpus)


def faint(corpus) -> None:
    samples, rate = sf.read(corpus.hiss("train", "faint"))
    level = 10 ** (-78 / 20) / samples.std()
    sf.write(corpus.noise / "tr/faint.wav", samples * level, rate, subtype="PCM_24")


NOISES = {
    "quiet": (faint, {}, "noises are too quiet", [{"exclude_noises": ["faint"]}]),
    "brief": (
        lambda c: c.hiss("train", "brief", 0.3),
        {"noise_rule": "librimix"},
        "too short or quiet for a loudness",
        [{"noise_rule": "wham"}, {"exclude_noises": ["brief"]}],
    ),
}


@pytest.mark.parametrize("case", NOISES)
def test_noises_that_cannot_be_used(attempt, workspace, tmp_path, case, corpus):
    damage, settings, line, cures = NOISES[case]
    plan = "results/mixtures/plan/train/1-of-1.csv"
    code, printed = attempt(damage, target=plan, mixtures=settings)
    assert code != 0
    assert_one_documented_line(printed, line, corpus)
    assert "run the same command again" not in printed
    config = yaml.safe_load((tmp_path / "bad.yaml").read_text(encoding="utf-8"))
    for cure in cures:
        cured = merge(config, {"mixtures": cure})
        (tmp_path / "cured.yaml").write_text(yaml.safe_dump(cured), encoding="utf-8")
        workspace.succeed(plan, config=(SMOKE, tmp_path / "cured.yaml"))


def spoil(table: Path, column: str, value: str) -> None:
    """Put a value into the second row of a table."""
    cells = pd.read_csv(table, dtype=str, keep_default_na=False)
    cells.loc[1, column] = value
    cells.to_csv(table, index=False)


def test_wrong_numbers_are_mended_as_the_line_says(finished, tmp_path):
    workspace, target = finished.copy(tmp_path / "run"), "results/mixtures/dev/mixtures.csv"
    plan = workspace / "mixtures/plan/dev/1-of-1.csv"
    spoil(plan, "noise_speed", "-1.00000")  # it is not shorter than before
    shutil.rmtree(workspace / "mixtures/dev")
    done = workspace.run(target)
    line = "results/mixtures/plan/dev/1-of-1.csv: row 3, noise_speed: '-1.0' is not above 0; delete"
    assert assert_one_line(done.stdout + done.stderr, line).endswith("delete it and run again")
    plan.unlink()
    workspace.succeed(target)
    for table in ("noise.csv", "noise/1-of-1/index.csv"):
        spoil(workspace / f"corpora/{table}", "peak", f"1e{10**30}")
    plan = workspace / "mixtures/plan/train/1-of-1.csv"
    plan.unlink()
    done = workspace.run("results/mixtures/plan/train/1-of-1.csv")
    line = "results/corpora/noise.csv: row 3, peak: 'inf' is not a finite number; run again with"
    assert assert_one_line(done.stdout + done.stderr, line).endswith("with --forcerun convert")
    workspace.succeed("results/mixtures/plan/train/1-of-1.csv", "--forcerun", "convert")


def test_a_gpu_that_is_not_there_is_reported_before_anything_runs(attempt, workspace):
    code, printed = attempt(target="denoisers", machine={"device": "cuda"})
    assert code != 0
    assert_one_line(printed, "machine.device: cuda is asked for and no GPU is seen")
    assert not (workspace.folder / "results/corpora").exists()


def test_short_utterances_are_left_out_and_counted(attempt, workspace):
    planned = "results/mixtures/plan/train/1-of-2.csv"
    speak = ("train", "1001", 9, 0.45)
    code, printed = attempt(lambda c: c.speak(*speak), target=planned, shards=2)
    assert code == 0, printed
    log = (workspace / "logs/mixtures/plan_train.log").read_text(encoding="utf-8")
    assert "train: 1 of 7 utterances are shorter than mixtures.min_seconds = 0.5 s" in log


def test_harmless_files_are_used_or_left_out_and_reported(attempt, workspace):
    def damage(corpus) -> None:
        rewrite(lambda samples: np.stack([samples, samples], axis=1))(corpus)
        path = sorted((corpus.speech / "train-clean").rglob("*.flac"))[1]
        samples, _ = sf.read(path)
        sf.write(path, np.repeat(samples, 2), 4000)
        path.with_name(f"._{path.name}").write_bytes(b"Mac OS X")
        next(path.parent.glob("*.trans.txt")).write_bytes("1001-7-0000 CAFÉ".encode("utf-16"))

    code, printed = attempt(damage, "corpora")
    assert code == 0, printed
    log = (workspace / "logs/corpora/convert_speech_1-of-1.log").read_text(encoding="utf-8")
    assert log.count("1 files have several channels") == 1
    assert log.count("1 files are resampled from 4000 to 8000 Hz; they hold nothing above") == 1
    log = (workspace / "logs/corpora/scan_speech.log").read_text(encoding="utf-8")
    assert log.count("1 hidden files or folders are left out, such as") == 1
    assert log.count("1001-7.trans.txt: is UTF-16 text; save it as UTF-8") == 1


def test_a_bad_transcript_stops_runs_that_need_it(attempt):
    def damage(corpus) -> None:
        path = first(corpus).with_name("1001-7.trans.txt")
        path.write_bytes("1001-7-0000 CAFÉ".encode("latin-1"))

    asr = {"engine": "pocketsphinx", "reference": "transcript"}
    changes = {"evaluation": {"asr": asr}, "mixtures": {"mode": "max"}}
    code, printed = attempt(damage, "results/corpora/scan/speech.csv", **changes)
    assert code != 0
    assert_one_line(printed, "1001-7.trans.txt: is not UTF-8 text; save it as UTF-8")


def test_damaged_weights_to_start_from(finished, tmp_path):
    workspace = finished.copy(tmp_path / "run")
    weights = finished / "models/denoise/conv_tasnet/noisy/0/model.safetensors"
    broken = tmp_path / "cut.safetensors"
    broken.write_bytes(weights.read_bytes()[:1000])
    given = f"denoisers={{conv_tasnet: {{init_from: {broken}}}}}"
    done = workspace.run("denoisers", "--config", given)
    assert done.returncode != 0
    assert_one_line(done.stdout + done.stderr, "cut.safetensors: damaged weights")


@pytest.fixture
def small_disk(workspace):
    """Mount a new file system as the working folder, with the given options."""

    def mount(options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(workspace.folder)]
        if os.geteuid() != 0 or subprocess.run(command).returncode:
            pytest.skip("no right to mount")
        mounted.append(workspace.folder)

    mounted: list[Path] = []
    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk(workspace, small_disk):
    small_disk("size=2m")
    done = workspace.run("corpora")
    assert done.returncode != 0
    assert_one_line(done.stdout + done.stderr, "the disk is full; free some space")
    assert not list(workspace.folder.rglob("*.part"))


def test_a_folder_that_cannot_be_written(workspace, small_disk, tmp_path_factory):
    small_disk("ro")
    done = workspace.run("corpora")
    assert done.returncode != 0
    line = f"{workspace.folder}: cannot be written; choose a folder with --directory"
    assert_one_line(done.stdout + done.stderr, line)
    Workspace(tmp_path_factory.mktemp("other")).succeed("-n", "corpora")


def assert_one_line(printed: str, line: str) -> str:
    """The cause is printed on one line, without a trace. Returns the line."""
    assert "Traceback" not in printed, printed
    found = [text for text in printed.splitlines() if line in text]
    assert found, printed
    return found[0].split("rror: ")[-1].split(" ERROR ")[-1]


def assert_one_documented_line(printed: str, line: str, corpus) -> None:
    """The table in the docs also has this line, with `/data` for the corpus."""
    shown = assert_one_line(printed, line).replace(str(corpus.root), "/data")
    table = (ROOT / "docs/bad-input.md").read_text(encoding="utf-8")
    assert shown in table, f"docs/bad-input.md lacks: {shown}"
