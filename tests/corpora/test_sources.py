import pytest

from pipeline.config import load_config
from pipeline.corpora.sources import scan_settings, sources_of

MODELS = {
    "denoisers": {"d": {"model": "conv_tasnet"}},
    "separators": {"s": {"model": "conv_tasnet", "conditions": ["clean"]}},
}
LOCAL = {"kind": "local", "local": {"speech": "/speech", "noise": "/noise"}}
SUBSETS = {"train": ["train-clean-100"], "dev": ["dev-clean"], "test": ["test-clean"]}
FETCHED = {"kind": "download", "download": {"speech": {"subsets": SUBSETS}}}


def config(**corpora):
    return load_config(MODELS | {"corpora": corpora})


def test_a_scan_waits_for_its_own_corpus():
    listed = [f"results/corpora/download/{p}.csv" for p in ("train-clean-100", "dev-clean")]
    assert sources_of(config(**FETCHED), "speech")[:2] == listed
    assert sources_of(config(**FETCHED), "noise") == ["results/corpora/download/wham_noise.csv"]
    assert sources_of(config(), "noise") == ["results/corpora/demo"]
    assert sources_of(config(**LOCAL), "speech") == []


@pytest.mark.parametrize(
    "corpora, change, concerned",
    [
        (LOCAL, {"local": LOCAL["local"] | {"noise": "/other"}}, "noise"),
        (LOCAL, {"local": LOCAL["local"] | {"speech": "/other"}}, "speech"),
        (LOCAL, {"local": LOCAL["local"] | {"subsets": SUBSETS}}, "speech"),
        (FETCHED, {"download": FETCHED["download"] | {"noise": {"max_files": 9}}}, "noise"),
        (FETCHED, {"download": FETCHED["download"] | {"catalogue": "/mine.csv"}}, None),
    ],
)
def test_a_change_concerns_one_corpus(corpora, change, concerned):
    for corpus in ("speech", "noise"):
        before, after = (
            scan_settings(config(**given), corpus, "as it is")
            for given in (corpora, corpora | change)
        )
        assert (before != after) == (corpus == concerned)


def test_the_state_of_a_corpus_counts_too():
    one, other = (scan_settings(config(**LOCAL), "speech", found) for found in ("a", "b"))
    assert one != other
