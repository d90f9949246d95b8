"""Sets of mixtures made through the workflow: LibriMix's own, and data for a denoiser."""

import pandas as pd
import pytest
import yaml
from loopback import Loopback
from roots import Roots
from served import git_hash
from workspace import SMOKE

from pipeline import audio
from pipeline.base.files import read_manifest

SPLITS = {"train": "tr", "dev": "cv", "test": "tt"}


@pytest.fixture
def local(corpus, tmp_path):
    """`local(mixtures={…})`: configuration files of a run on a small corpus on disk."""

    def make(**changes):
        corpus.fill(speakers=3, utterances=2)
        folders = {"speech": str(corpus.speech), "noise": str(corpus.noise)}
        folders["subsets"] = corpus.subsets
        path = tmp_path / "local.yaml"
        corpora = {"corpora": {"kind": "local", "local": folders}}
        path.write_text(yaml.safe_dump(corpora | changes), encoding="utf-8")
        return SMOKE, path

    return make


def write_metadata(folder, subsets):
    """Four mixtures of two speakers for each split, in LibriMix's format."""
    folder.mkdir()
    for number, (split, place) in enumerate(SPLITS.items(), 1):
        subset = subsets[split][0]
        rows = []
        for i in range(4):
            row = {"mixture_ID": f"{split}_{i}"}
            for k in (1, 2):
                speaker = f"{number}00{k}"
                name = f"{speaker}-7-{i % 2:04d}"
                row[f"source_{k}_path"] = f"{subset}/{speaker}/7/{name}.flac"
                row[f"source_{k}_gain"] = 0.5 + 0.1 * k
            rows.append(row | {"noise_path": f"{place}/long.wav", "noise_gain": 0.7})
        pd.DataFrame(rows).to_csv(folder / f"libri2mix_{subset}.csv", index=False)


def test_librimix_is_rendered_from_its_metadata(workspace, local, corpus, tmp_path):
    write_metadata(tmp_path / "metadata", corpus.subsets)
    librimix = {"metadata": str(tmp_path / "metadata"), "subsets": corpus.subsets}
    mixtures = {"kind": "librimix", "num_speakers": 2, "mix_single": True, "librimix": librimix}
    config = local(mixtures=mixtures, shards=2)
    workspace.succeed("mixtures", config=config)
    assert not (workspace / "corpora/speech").exists()  # the mixtures are made from the raw files
    for split in SPLITS:
        table = read_manifest(workspace / f"mixtures/{split}/mixtures.csv")
        assert list(table["mixture_id"]) == [f"{split}_{i}" for i in range(4)]
        assert set(table["source_1_sex"]) <= {"F", "M"} and table["overlap_ratio"].notna().all()
        for row in table.to_dict("records"):
            voices = [audio.read_at(row[f"s{k}_path"], 8000) for k in (1, 2)]
            single = audio.read_at(row["mix_single_path"], 8000)
            noise = audio.read_at(row["noise_path"], 8000)
            assert abs(voices[0] + noise - single).max() <= 2.1 / 32768
            assert len(single) == row["length"]
    assert workspace.jobs("mixtures", config=config) == {}


def test_roots_side_by_side(workspace, corpus, tmp_path):
    """One root as a text and as a list are one run; a second root is a second corpus."""
    roots, path = Roots(corpus, tmp_path, speakers=3), tmp_path / "roots.yaml"
    mixtures = {"num_speakers": 2, "counts": {"train": 3, "dev": 2, "test": 2}, "min_seconds": 0.5}
    scanned = []
    for places in (None, [roots.one], [roots.one, roots.other]):
        roots.listed = places or [roots.one]
        local = {
            kind: [str(getattr(r, kind)) for r in roots.listed] for kind in ("speech", "noise")
        }
        local = local if places else {kind: folder for kind, [folder] in local.items()}
        corpora = {"kind": "local", "local": local | {"subsets": roots.subsets}}
        path.write_text(yaml.safe_dump({"corpora": corpora, "mixtures": mixtures}))
        target = "results/mixtures/train/mixtures.csv"
        scanned.append(bool(workspace.jobs(target, config=(SMOKE, path))))
        workspace.succeed(target, config=(SMOKE, path))
    assert scanned == [True, False, True]
    table = read_manifest(workspace / "mixtures/train/mixtures.csv")
    speakers = set(table.filter(regex="source_._speaker").to_numpy().ravel())
    assert {name.partition("@")[2] for name in speakers} == {"LibriSpeech", "Mine"}


def test_librimix_metadata_is_fetched(workspace, local, corpus, tmp_path):
    write_metadata(tmp_path / "metadata", corpus.subsets)
    web, names = Loopback(), {"train": "train-clean-100", "dev": "dev-clean", "test": "test-clean"}
    rows = ["part,address,bytes,checksum"]
    for split, name in names.items():
        content = (tmp_path / f"metadata/libri2mix_{corpus.subsets[split][0]}.csv").read_bytes()
        web.files[f"/{name}.csv"] = content
        size, digest = len(content), git_hash(content)
        rows.append(f"libri2mix_{name},{web.url(f'/{name}.csv')},{size},git:{digest}")
    (tmp_path / "here.csv").write_text("\n".join(rows), encoding="utf-8")
    files = local(mixtures={"kind": "librimix", "num_speakers": 2})
    settings = yaml.safe_load(files[-1].read_text(encoding="utf-8"))
    settings["corpora"]["download"] = {"catalogue": str(tmp_path / "here.csv")}
    files[-1].write_text(yaml.safe_dump(settings), encoding="utf-8")
    workspace.succeed("results/mixtures/plan/dev/1-of-1.csv", config=files)
    plan = read_manifest(workspace / "mixtures/plan/dev/1-of-1.csv")
    assert list(plan["mixture_id"]) == [f"dev_{i}" for i in range(4)]
    assert set(web.sent) == {"/dev-clean.csv"}
    web.close()


def test_metadata_of_other_files_is_refused(workspace, local, corpus, tmp_path):
    write_metadata(tmp_path / "metadata", corpus.subsets)
    librimix = {"metadata": str(tmp_path / "metadata"), "subsets": corpus.subsets}
    config = local(mixtures={"kind": "librimix", "num_speakers": 3, "librimix": librimix})
    done = workspace.run("mixtures", config=config)
    assert done.returncode != 0
    assert "libri3mix_train-clean.csv" in done.stdout + done.stderr


def test_data_for_a_denoiser_of_one_speaker(workspace, local):
    mixtures = {
        "num_speakers": 1,
        "min_seconds": 3,
        "join_silence": 0.2,
        "hours": {"train": 0.005, "dev": 0.002, "test": 0.002},
        "speech_rms": [-25, -25],
        "noise_snr_levels": [0, 10],
        "exclude_noises": ["short"],
    }
    workspace.succeed("results/mixtures/train/mixtures.csv", config=local(mixtures=mixtures))
    table = read_manifest(workspace / "mixtures/train/mixtures.csv")
    seconds = table["length"] / 8000
    assert seconds.min() >= 3 and 18 <= seconds.sum() < 18 + seconds.iloc[-1]
    assert set(table["noise"]) == {"long"}
    assert set(table["noise_snr"].round(2)) == {0, 10}
