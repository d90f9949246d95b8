import re

import pytest
from served import refused

from pipeline.config import DownloadCorpus, load_config
from pipeline.corpora.catalogue import (
    check_download,
    librimix_parts,
    licences,
    load_catalogue,
    parts_in_use,
)
from pipeline.corpora.roots import corpus_subsets
from pipeline.corpora.summary import amounts, download_summary
from pipeline.experiment import Experiment

NETWORKS = {
    "denoisers": {"d": {"model": "conv_tasnet"}},
    "separators": {"s": {"model": "conv_tasnet", "conditions": ["noisy"]}},
}
HEADER = "part,corpus,kind,format,address,mirrors,bytes,checksum,unpacks_to,licence,attribution"
OWN = "mine,My corpus,speech,tar,https://x.org/a.tar,,,,LibriSpeech/mine,MIT,Me"


def configured(mixtures=None, kind="download", **download):
    values = {"corpora": {"kind": kind, "download": download}, "mixtures": mixtures or {}}
    return load_config(NETWORKS | values)


@pytest.fixture
def table(tmp_path):
    """`table(row, …)` writes a catalogue of the user."""

    def write(*rows, header=HEADER) -> str:
        (tmp_path / "own.csv").write_text("\n".join([header, *rows]), encoding="utf-8")
        return str(tmp_path / "own.csv")

    return write


def test_every_packaged_row_is_whole():
    for name, part in load_catalogue().items():
        assert name == part.part and part.addresses
        assert (part.kind == "noise") == (part.format in ("zip", "git"))
        if part.kind == "speech":
            assert part.checksum.startswith("sha256:") and part.bytes and part.hours
            assert len(part.mirrors) == 4 and part.unpacks_to == f"LibriSpeech/{name}"
            assert all(address.endswith(f"/{name}.tar.gz") for address in part.addresses)
        if part.kind == "librimix":
            assert part.checksum.startswith("git:") and part.address.endswith(f"/{name}.csv")
            assert re.search("/[0-9a-f]{40}/", part.address)


def test_required_contents_of_the_table():
    names = set(load_catalogue())
    librispeech = "dev-clean dev-other test-clean test-other train-clean-100 train-clean-360"
    assert names >= {*librispeech.split(), "train-other-500", "dev-clean-2", "train-clean-5"}
    assert names >= {"wham_noise", "ms_snsd", "libri3mix_train-clean-360", "libri2mix_dev-clean"}


def test_a_mirror_is_put_in_front(table):
    extra = table("dev-clean,,,,https://near.org/d.tgz,https://nearer.org/d.tgz,,,,,")
    plain, part = load_catalogue()["dev-clean"], load_catalogue(extra)["dev-clean"]
    assert part.addresses[:2] == ["https://near.org/d.tgz", "https://nearer.org/d.tgz"]
    assert part.addresses[2:] == plain.addresses
    assert part.model_copy(update={"address": plain.address, "mirrors": plain.mirrors}) == plain


def test_a_row_needs_only_the_columns_it_changes(table):
    extra = table("wham_noise,https://near.org/w.zip,My copy", header="part,mirrors,licence")
    part = load_catalogue(extra)["wham_noise"]
    assert part.address == "https://near.org/w.zip" and part.licence == "My copy"


def test_another_corpus_is_added(table):
    assert load_catalogue(table(OWN))["mine"].folder("data").as_posix() == "data/LibriSpeech/mine"


@pytest.mark.parametrize(
    "row, words",
    [
        (OWN.replace("tar,", "rar,", 1), "mine: format: Input should be 'tar', 'zip', 'git' or"),
        (OWN.replace("MIT", ""), "mine: licence: missing; add it to the row"),
        (OWN.replace("https:", "ftp:"), "mine: address: "),
        (OWN.replace("LibriSpeech/mine", "../up"), "mine: unpacks_to: "),
        (OWN.replace("LibriSpeech/mine", "a/../../up"), "mine: unpacks_to: must lie below"),
        (OWN.replace("a.tar,,,", "a.tar,,x,"), "mine: bytes: "),
        (OWN + ",more", "row 'mine' has more cells than the header"),
        (OWN.replace("mine", "", 1), "row 2 has no part; name one in it"),
        (OWN.replace("a.tar,,,", "a.tar,,,md5:12"), "mine: checksum: "),
        (OWN.replace("tar,", "zip,", 1), "mine: format: speech must be tar, not zip"),
        (OWN.replace("speech,tar", "noise,file"), "noise must be tar or zip or git, not file"),
    ],
)
def test_a_bad_row_is_named(table, row, words):
    extra = table(row)
    message = refused(load_catalogue, extra)
    assert message.startswith(f"{extra}: ") and words in message


def test_an_unknown_column_is_named(table):
    extra = table("dev-clean,x", header="part,mirror")
    assert "dev-clean: mirror: unknown key; allowed here: address, " in refused(
        load_catalogue, extra
    )


def test_a_missing_catalogue_is_named(tmp_path):
    path = tmp_path / "none.csv"
    assert refused(load_catalogue, path) == (
        f"{path}: no such file; check corpora.download.catalogue"
    )


def test_unknown_parts_are_refused():
    subsets = {"train": ["train-clean-10"], "dev": ["dev-clean"], "test": ["test-clean"]}
    message = refused(check_download, configured(speech={"subsets": subsets}))
    assert message.startswith(
        "config: corpora.download.speech.subsets.train: 'train-clean-10' is not in the catalogue;"
        " allowed: dev-clean, dev-other, "
    )
    assert "wham_noise" not in message
    message = refused(check_download, configured(noise={"corpus": "wham"}))
    assert "corpora.download.noise.corpus: 'wham' is not in the catalogue" in message
    assert "allowed: wham_noise, ms_snsd; add others" in message


def test_a_selection_the_format_cannot_give_is_refused(table):
    extra = table(OWN.replace("speech", "noise").replace("LibriSpeech/", ""))
    settings = {"catalogue": extra, "noise": {"corpus": "mine", "max_files": 5}}
    assert "noise.max_files: mine is a tar, of which" in refused(
        check_download, configured(**settings)
    )
    check_download(configured(**settings | {"noise": {"corpus": "mine"}}))


def test_two_parts_in_one_folder_are_refused(table):
    extra = table(OWN.replace("LibriSpeech/mine", "LibriSpeech/./dev-clean"))
    subsets = {"train": ["mine"], "dev": ["dev-clean"], "test": ["test-clean"]}
    message = refused(check_download, configured(catalogue=extra, speech={"subsets": subsets}))
    assert message.startswith("config: corpora.download: mine and dev-clean both lie in ")


def test_cells_may_hold_line_breaks(table):
    extra = table(OWN.replace("Me", '"Me\nand\u2028you"'))
    assert load_catalogue(extra)["mine"].attribution == "Me\nand\u2028you"


def test_other_kinds_of_corpora_ask_nothing_of_the_catalogue():
    cfg = configured(kind="demo", noise={"corpus": "none"})
    check_download(cfg)
    assert licences(cfg) == parts_in_use(cfg) == []


def test_licences_of_the_corpora_in_use():
    assert licences(configured()) == [
        "LibriSpeech: CC BY 4.0 (Panayotov et al. 2015, https://www.openslr.org/12)",
        "WHAM! noise: CC BY-NC 4.0, not for commercial use"
        " (Wichern et al. 2019, http://wham.whisper.ai)",
    ]
    free = licences(configured(noise={"corpus": "ms_snsd"}))
    assert free[1].startswith("MS-SNSD noise: CC0 1.0 and CC BY-SA 3.0 (")


def test_parts_of_librimix():
    cfg = load_config(NETWORKS | {"mixtures": {"kind": "librimix"}})
    check_download(cfg)
    assert librimix_parts(cfg, "dev") == ["libri3mix_dev-clean"]
    four = load_config(NETWORKS | {"mixtures": {"kind": "librimix", "num_speakers": 4}})
    message = refused(check_download, four)
    assert message.startswith("config: mixtures.librimix.subsets: 'libri4mix_train-clean-100' is")


def test_roots_are_below_the_folder():
    corpora = configured(folder="/big").corpora
    speech, noise = (corpus_subsets(corpora, kind, None)["train"] for kind in ("speech", "noise"))
    assert [str(one.folder) for one in speech] == ["/big/LibriSpeech/train-clean-100"]
    assert [str(one.folder) for one in noise] == ["/big/wham_noise/tr"]


def summary_of(config):
    experiment = Experiment(config)
    return download_summary(config, experiment.rendered, experiment.estimates)


def test_the_summary_gives_the_sizes_fetched_and_stored():
    counts = {"train": 9000, "dev": 10, "test": 10}
    lines = summary_of(configured({"counts": counts}, noise={"max_files": 300}))
    rows = {line.split()[0]: line.split() for line in lines}
    assert rows["train-clean-100"][1:5] == ["6.4", "GB", "~7.0", "GB"]
    assert rows["wham_noise"][1:3] == ["~202", "MB"]
    assert rows["in"][2:4] == ["~7.3", "GB"]
    assert any("WAV at 8 kHz" in line for line in lines)
    assert re.search(r"mixtures: ~23\.\d h \(train ~23\.\d h.*~8\.\d GB on disk", lines[-2])


def test_a_train_split_that_is_never_rendered_takes_no_disk():
    hours = {"hours": {"train": 100, "dev": 1, "test": 2}}
    dynamic = {"training": {"data": "dynamic"}, "corpora": {"kind": "download"}, "mixtures": hours}
    line, estimates = summary_of(load_config(NETWORKS | dynamic))[-2:]
    assert line.startswith("mixtures: ~3.0 h (train: not rendered, dev ~1.0 h, test ~2.0 h), ")
    # 2 h denoised, noisy and clean, and 3 test conditions of 3 speakers each, 32 bit at 8 kHz.
    assert estimates == f"estimates: ~{(2 * 2 + 9 * 2) * 3600 * 8000 * 4 / 1e9:.1f} GB on disk"
    one = {"d": {"model": "conv_tasnet", "training": {"data": "rendered"}}}
    line = summary_of(load_config(NETWORKS | dynamic | {"denoisers": one}))[-2]
    assert line.startswith("mixtures: ~103.0 h (train ~100.0 h, ")


def test_unpublished_sizes_are_said_to_be_unknown():
    lines = summary_of(configured(noise={"corpus": "ms_snsd"}))
    rows = {line.split()[0]: line for line in lines}
    assert rows["ms_snsd"].split()[1:4] == ["unknown"] * 3
    assert "~7.1 GB and more" in rows["in"]


def test_a_selection_of_speakers_moves_its_share():
    part = load_catalogue()["train-clean-100"]
    some = amounts(part, DownloadCorpus(speech={"max_speakers": 25}))
    assert some.fetch == pytest.approx(part.bytes * 25 / 251) and not some.exact
    fewer = amounts(part, DownloadCorpus(speech={"max_speakers": 25, "max_utterances": 10}))
    assert fewer.fetch == some.fetch and fewer.stored < some.stored / 10
    assert amounts(part, DownloadCorpus()).exact


def test_mixtures_of_librimix_are_counted_from_its_tables():
    lines = summary_of(configured(mixtures={"kind": "librimix"}))
    assert re.search(r"train ~2[0-9]\.\d h, dev ~4\.\d h", lines[-2])  # Libri3Mix: 28 h, 4 h
