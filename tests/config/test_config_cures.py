"""Every error line about the configuration, with its cure followed: the new value is accepted."""

from copy import deepcopy

import pytest
from workspace import merge

from pipeline.base.errors import PipelineError
from pipeline.config import load_config
from pipeline.config.files import check_files
from pipeline.corpora.catalogue import check_download, load_catalogue
from pipeline.models import MODELS, check_networks

SMALLEST = {
    "denoisers": {"small": {"model": "conv_tasnet"}},
    "separators": {"small": {"model": "conv_tasnet", "conditions": ["clean"]}},
}
WHISPER = {"engine": "faster_whisper"}
POCKET = {"engine": "pocketsphinx"}


def nested(key, value):
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def local(changes):
    """A local corpus, some of its keys changed."""
    return {"corpora": {"kind": "local", "local": {"speech": "/s", "noise": "/n"} | changes}}


def check(values):
    """The checks at the start of a run."""
    config = load_config(values)
    check_networks(config)
    check_download(config)


# The input, the error line, and the values that the line proposes instead, one or more.
CASES = [
    (
        {"shards": 5, "mixtures": {"counts": {"train": 4, "dev": 4, "test": 4}}},
        "shards: 5 is more than the 4 mixtures of a split; lower it, or raise mixtures.counts",
        [{"shards": 4}, {"mixtures": {"counts": {"train": 5, "dev": 5, "test": 5}}}],
    ),
    (
        {
            "denoisers": {"small": {"model": "conv_tasnet", "dry": 0.2}},
            "evaluation": {"dry_sweep": True},
        },
        "denoisers.small.dry: evaluation.dry_sweep tries every share; leave dry out, or the sweep",
        [{"denoisers": {"small": {"dry": 0.0}}}, {"evaluation": {"dry_sweep": False}}],
    ),
    (
        {"mixtures": {"babble": 0.5, "noise_rule": "librimix"}},
        "mixtures: babble: has no loudness before it is mixed; set noise_rule to wham",
        [{"mixtures": {"noise_rule": "wham"}}],
    ),
    (
        {"mixtures": {"kind": "librimix", "num_speakers": [2, 3]}},
        "mixtures: num_speakers: LibriMix's mixtures have one number of speakers; name one, or set"
        " kind to drawn",
        [{"mixtures": {"num_speakers": 3}}, {"mixtures": {"kind": "drawn"}}],
    ),
    (
        {
            "mixtures": {"num_speakers": [1, 2]},
            "separators": {"small": {"conditions": ["noisy"], "then_denoise": ["small"]}},
        },
        "separators.small.then_denoise: brings every output to the level of the mixture, those"
        " without a speaker too; leave it out, or give mixtures.num_speakers one number",
        [{"separators": {"small": {"then_denoise": []}}}, {"mixtures": {"num_speakers": 2}}],
    ),
    (
        {"training": {"augment": {"remix": True}}},
        "training: augment: changes fresh mixtures only; set data to dynamic, or leave augment out",
        [{"training": {"data": "dynamic"}}, {"training": {"augment": None}}],
    ),
    (
        {"denoisers": {"small": {"model": "conv_tasnet", "training": {"fewest_speakers": 1}}}},
        "denoisers.small.training: fewest_speakers: changes fresh mixtures only; set data to"
        " dynamic, or leave fewest_speakers out",
        [
            {"denoisers": {"small": {"training": {"data": "dynamic"}}}},
            {"denoisers": {"small": {"training": {"fewest_speakers": None}}}},
        ],
    ),
    (
        {
            "training": {"data": "dynamic"},
            "mixtures": {"num_speakers": 2},
            "denoisers": {"small": {"model": "conv_tasnet", "training": {"fewest_speakers": 3}}},
        },
        "denoisers.small.training.fewest_speakers: is more than mixtures.num_speakers: 2; lower it",
        [{"denoisers": {"small": {"training": {"fewest_speakers": 2}}}}],
    ),
    (
        {
            "training": {"data": "dynamic"},
            "separators": {"small": {"conditions": ["clean"], "training": {"fewest_speakers": 1}}},
        },
        "separators.small.training.fewest_speakers: only a denoiser takes any number of speakers;"
        " set it under denoisers.<name>.training",
        [
            {
                "separators": {"small": {"training": {"fewest_speakers": None}}},
                "denoisers": {"small": {"training": {"fewest_speakers": 1}}},
            }
        ],
    ),
    (
        {
            "training": {"data": "dynamic", "noise_snr": [0, 30]},
            "mixtures": {"noise_rule": "librimix"},
        },
        "denoisers.small.training.noise_snr: is for noise_rule wham, other levels are in LUFS;"
        " leave it out",
        [{"training": {"noise_snr": None}}],
    ),
    (
        {"training": {"data": "dynamic", "segment_seconds": 2, "augment": {"shift": 2}}},
        "training: augment.shift: 2 s would move speech out of a piece of 2 s; lower it, or raise"
        " segment_seconds",
        [{"training": {"augment": {"shift": 1.9}}}, {"training": {"segment_seconds": 2.1}}],
    ),
    (
        {"training": {"batch_size": 4, "devices": 3}},
        "training: batch_size: 4 is not a multiple of devices: 3; set it to 6, or lower devices",
        [{"training": {"batch_size": 6}}, {"training": {"devices": 2}}],
    ),
    (
        {"inference": {"max_seconds": 3, "overlap_seconds": 2}},
        "inference: overlap_seconds: 2 is more than half of max_seconds: 3; lower it, or raise"
        " max_seconds",
        [{"inference": {"overlap_seconds": 1.5}}, {"inference": {"max_seconds": 4}}],
    ),
    (
        {
            "evaluation": {"asr": POCKET | {"reference": "transcript"}},
            "mixtures": {"mode": "min", "join_silence": 0.2},
        },
        "evaluation.asr.reference: transcript is of whole utterances; set mixtures.mode to max and"
        " leave mixtures.join_silence out, or choose recognised",
        [
            {"mixtures": {"mode": "max", "join_silence": None}},
            {"evaluation": {"asr": {"reference": "recognised"}}},
        ],
    ),
    (
        {"separators": {"small": {"conditions": ["denoised-large"]}}},
        "separators.small.conditions: 'denoised-large' is not one of clean, noisy, denoised-small;"
        " declare the denoiser under denoisers: first",
        [
            {"denoisers": {"large": {"model": "conv_tasnet"}}},
            {"separators": {"small": {"conditions": ["denoised-small"]}}},
        ],
    ),
    (
        {"corpora": {"kind": "local"}},
        "corpora: kind is local: give local.speech and local.noise, the corpus folders",
        [{"corpora": {"local": {"speech": "/data/a", "noise": "/data/b"}}}],
    ),
    (
        local({"speech": 3}),
        "corpora.local.speech: must be a folder, or a list such as [a, b], not 3",
        [local({"speech": "/a"}), local({"speech": ["/a", "/c"]})],
    ),
    (
        local({"speech": ["/a", "/b", "/a/"]}),
        "corpora.local.speech: '/a/' is the same folder as '/a'; name it once",
        [local({"speech": ["/a", "/b"]})],
    ),
    (
        local({"noise": ["/a/b/c", "/a/b"]}),
        "corpora.local.noise: '/a/b/c' lies inside '/a/b'; name only one of them",
        [local({"noise": "/a/b/c"}), local({"noise": "/a/b"})],
    ),
    (
        local({"noise": []}),
        "corpora.local.noise: is empty; give at least one",
        [local({"noise": ["/b"]})],
    ),
    (
        {"evaluation": {"asr": WHISPER | {"download": True}}},
        "evaluation.asr: download is for a model on the Hugging Face hub: give its name as model,"
        " or leave download out",
        [
            {"evaluation": {"asr": {"model": "Systran/faster-whisper-small.en"}}},
            {"evaluation": {"asr": {"download": False}}},
        ],
    ),
    (
        {"evaluation": {"asr": POCKET | {"model": "/data/weights"}}},
        "evaluation.asr: engine is pocketsphinx, which carries its model: leave model out",
        [{"evaluation": {"asr": {"model": None}}}],
    ),
    (
        nested("corpora.download.folder", "a\0b"),
        "corpora.download.folder: holds a NUL character, which no path can; take it out",
        [nested("corpora.download.folder", "ab")],
    ),
    (
        nested("corpora.download.folder", "~nobody_here/data"),
        "corpora.download.folder: no home folder is known for '~nobody_here/data'; write the path"
        " without ~",
        [nested("corpora.download.folder", "/home/nobody_here/data")],
    ),
    (
        nested("denoisers.small.init_from", "a/{b}.safetensors"),
        "denoisers.small.init_from: holds {, which Snakemake replaces; rename that file or folder",
        [nested("denoisers.small.init_from", "a/b.safetensors")],
    ),
    (
        nested("separators.small.then_denoise", ["large"]),
        "separators.small.then_denoise: 'large' is not one of small; declare it under denoisers:"
        " first",
        [
            nested("denoisers.large.model", "conv_tasnet"),
            nested("separators.small.then_denoise", ["small"]),
        ],
    ),
    (
        {"mixtures": {"noise_snr": -6}},
        "mixtures.noise_snr: must be two numbers, [low, high], not -6",
        [{"mixtures": {"noise_snr": [-6, 3]}}],
    ),
    (
        {"mixtures": {"noise_snr": [3, -6]}},
        "mixtures.noise_snr: lower bound 3.0 is above upper bound -6.0; swap them",
        [{"mixtures": {"noise_snr": [-6, 3]}}],
    ),
    (
        {"evaluation": {"metrics": ["sdr", "sdr"]}},
        "evaluation.metrics: 'sdr' stands twice; name it once",
        [{"evaluation": {"metrics": ["sdr"]}}],
    ),
    (
        {"evaluation": {"metrics": ["snr"]}},
        "evaluation: metrics: snr is for denoisers only; name another one beside it",
        [{"evaluation": {"metrics": ["snr", "si_sdr"]}}],
    ),
    (
        nested("denoisers.small.model", "unet"),
        "denoisers.small.model: 'unet' is not registered; allowed: " + ", ".join(MODELS),
        [nested("denoisers.small.model", "conv_tasnet")],
    ),
    (
        nested("denoisers.small.arguments", {"N": "many"}),
        "denoisers.small.arguments.N: Input should be a valid integer, unable to parse string as"
        " an integer, not 'many'",
        [nested("denoisers.small.arguments", {"N": 16})],
    ),
    (
        nested("corpora.kind", "libri"),
        "corpora.kind: Input should be 'demo', 'local' or 'download', not 'libri'",
        [nested("corpora.kind", "demo"), nested("corpora.kind", "download")],
    ),
    (
        {"evaluation": {"asr": {}}},
        "evaluation.asr.engine: missing; add it to the configuration",
        [{"evaluation": {"asr": POCKET}}],
    ),
    (
        {"mixtures": {"counts": 400}},
        "mixtures.counts: must hold keys and their values, not 400",
        [{"mixtures": {"counts": {"train": 400, "dev": 4, "test": 4}}}],
    ),
    (
        {"separators": {"small": {"conditions": "clean"}}},
        "separators.small.conditions: must be a list, such as [a, b], not 'clean'",
        [{"separators": {"small": {"conditions": ["clean", "noisy"]}}}],
    ),
    (
        {"evaluation": {"metrics": []}},
        "evaluation.metrics: is empty; give at least one",
        [{"evaluation": {"metrics": ["sdr"]}}],
    ),
    (
        nested("corpora.download.noise.corpus", "wham"),
        "corpora.download.noise.corpus: 'wham' is not in the catalogue; allowed: wham_noise,"
        " ms_snsd; add others with corpora.download.catalogue",
        [nested("corpora.download.noise.corpus", name) for name in ("wham_noise", "ms_snsd")],
    ),
]


@pytest.mark.parametrize("asked, line, cures", CASES, ids=lambda given: str(given)[:40])
def test_a_configuration_is_taken_once_its_line_is_followed(asked, line, cures):
    values = merge(SMALLEST, deepcopy(asked))
    if "catalogue" in line:
        values = merge(values, {"corpora": {"kind": "download"}})
    with pytest.raises(PipelineError) as error:
        check(values)
    assert str(error.value) == f"config: {line}"
    for cure in cures:
        check(merge(values, cure))


def test_an_oracle_needs_separators_to_be_compared_with():
    values = SMALLEST | {"separators": {}, "evaluation": {"oracles": ["ideal_mask"]}}
    assert refused(check, values) == (
        "config: evaluation.oracles: they separate, and there are no separators to compare them"
        " with; leave oracles out, or add a separator"
    )
    check(values | {"evaluation": {"oracles": []}})
    check(values | {"separators": SMALLEST["separators"]})


# If a key itself is wrong, an accepted key replaces it.
KEYS = [
    ({"sed": 1}, "sed: unknown key; allowed here: corpora, ", {"seed": 1}),
    (
        {"training.epochs": 3},
        "training.epochs: unknown key; write training: {epochs: …}",
        {"training": {"epochs": 3}},
    ),
    (
        nested("denoisers.Small", {"model": "conv_tasnet"}),
        "denoisers.Small: a name holds only a-z, 0-9 and _, 64 of them at most",
        nested("denoisers.small_2", {"model": "conv_tasnet"}),
    ),
]


@pytest.mark.parametrize("asked, line, cured", KEYS)
def test_a_key_is_taken_once_its_line_is_followed(asked, line, cured):
    with pytest.raises(PipelineError) as error:
        check(merge(SMALLEST, asked))
    assert str(error.value).startswith(f"config: {line}")
    check(merge(SMALLEST, cured))


def refused(function, *arguments):
    with pytest.raises(PipelineError) as error:
        function(*arguments)
    return str(error.value)


def test_files_are_taken_once_their_line_is_followed(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("training: {epochs: 3}\nseed: 1\ntraining: {batch_size: 2}\n", encoding="utf-8")
    assert refused(check_files, [path]) == (
        f"config: {path}: training stands twice, in lines 1 and 3; put what belongs to it under one"
        " of them"
    )
    path.write_text("training: {epochs: 3, batch_size: 2}\nseed: 1\n", encoding="utf-8")
    check_files([path])
    twice, once = ["training={epochs: 3, epochs: 4}"], ["training={epochs: 3}"]
    assert refused(check_files, [], twice).endswith(": epochs stands twice; name it once")
    check_files([], once)
    path.write_text("report: {title: é}\n", encoding="latin-1")
    assert refused(check_files, [path]) == f"config: {path}: is not UTF-8 text; save it as UTF-8"
    path.write_text(path.read_text(encoding="latin-1"), encoding="utf-8")
    check_files([path])


HEADER = "part,corpus,kind,format,address,bytes,unpacks_to,licence,attribution"
ROW = "mine,My corpus,noise,zip,https://x.org/a.zip,,mine,MIT,Me"


@pytest.mark.parametrize(
    "row, line, cures",
    [
        (ROW.replace("MIT", ""), "mine: licence: missing; add it to the row", [ROW]),
        (
            ROW.replace("My corpus", "Mine, ours"),
            "row 'mine' has more cells than the header; put a cell that holds a comma in quotes, or"
            " remove what is too much",
            [ROW.replace("My corpus", '"Mine, ours"'), ROW],
        ),
        (
            ROW.removeprefix("mine"),
            "row 2 has no part; name one in it, or remove the row",
            [ROW, ""],
        ),
        (
            ROW.replace(",mine,", ",a/../../up,"),
            "mine: unpacks_to: must lie below the download folder",
            [ROW],
        ),
        (
            ROW.replace("zip", "file", 1),
            "mine: format: noise must be tar or zip or git, not file",
            [ROW, ROW.replace("zip", "tar", 1), ROW.replace("zip", "git", 1)],
        ),
    ],
)
def test_a_catalogue_is_taken_once_its_line_is_followed(tmp_path, row, line, cures):
    path = tmp_path / "own.csv"
    path.write_text(f"{HEADER}\n{row}\n", encoding="utf-8")
    assert refused(load_catalogue, path) == f"{path}: {line}"
    for cure in cures:
        path.write_text(f"{HEADER}\n{cure}\n", encoding="utf-8")
        assert ("mine" in load_catalogue(path)) == bool(cure)


def test_a_catalogue_in_another_encoding_or_place(tmp_path):
    path = tmp_path / "own.csv"
    assert refused(load_catalogue, path) == (
        f"{path}: no such file; check corpora.download.catalogue"
    )
    path.write_text(f"{HEADER}\n{ROW.replace('Me', 'é')}\n", encoding="latin-1")
    assert refused(load_catalogue, path) == f"{path}: is not UTF-8 text; save it as UTF-8"
    path.write_text(path.read_text(encoding="latin-1"), encoding="utf-8")
    assert load_catalogue(path)["mine"].attribution == "é"


def test_a_noise_of_the_users_is_taken_once_it_is_in_the_catalogue(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text(f"{HEADER}\n{ROW}\n", encoding="utf-8")
    download = {"noise": {"corpus": "mine"}}
    asked = SMALLEST | {"corpora": {"kind": "download", "download": download}}
    assert "add others with corpora.download.catalogue" in refused(check, asked)
    download["catalogue"] = str(path)
    check(asked)
    path.write_text(f"{HEADER}\n{ROW.replace(',mine,', ',LibriSpeech/dev-clean,')}\n")
    assert refused(check, asked) == (
        "config: corpora.download: dev-clean and mine both lie in LibriSpeech/dev-clean; give one"
        " of them another unpacks_to in the catalogue"
    )
    path.write_text(f"{HEADER}\n{ROW}\n", encoding="utf-8")
    check(asked)
    path.write_text(f"{HEADER}\n{ROW.replace('zip', 'tar')}\n", encoding="utf-8")
    download["noise"]["max_files"] = 5
    assert refused(check, asked).endswith(
        "mine is a tar, of which no single files can be fetched; leave it out to take all"
    )
    del download["noise"]["max_files"]
    check(asked)
