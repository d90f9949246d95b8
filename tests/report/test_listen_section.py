import re
from dataclasses import replace

import numpy as np
import pytest
from report.rendered import rendered
from systems import path_of

from pipeline import audio
from pipeline.base.files import read_manifest, write_manifest
from pipeline.report.run import Run
from pipeline.report.sections.listen import content
from pipeline.report.site import Site

RATE = 8000


def written(tree) -> str:
    return rendered(tree.inputs, tree.index, "listen")


@pytest.fixture(scope="module")
def shown(tree, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    run = Run(tree.inputs)
    return run, folder, content(run, Site(folder))


def test_estimates_are_aligned_levelled_and_scored(shown):
    run, folder, made = shown
    example = made["examples"][1]
    row = run.mixtures.loc[example.pick.mixture_id]
    scores = run.scores[run.scores["mixture_id"] == example.pick.mixture_id]
    _, *speakers = example.players.values()
    for number, players in enumerate(speakers, 1):
        reference, _ = audio.read(row[f"s{number}_path"])
        for player in players:
            sound, rate = audio.read(folder / f"{player.stem}.flac")
            assert rate == RATE and len(sound) == len(reference)
            assert abs(np.corrcoef(sound, reference)[0, 1]) > 0.9
        estimate = players[1].track
        assert np.std(estimate.samples) == pytest.approx(np.std(reference), rel=0.01)
        mine = scores[(scores["system"] == run.main) & (scores["source"] == f"s{number}")]
        values = mine.set_index("metric")["value"]
        assert estimate.headline == f"SI-SDRi {values['si_sdri']:.2f} dB"
        assert f"STOI {values['stoi']:.3f}" in estimate.scores


def test_estimates_and_removed_parts_are_tracks(shown):
    *_, made = shown
    example = made["examples"][0]
    first = next(iter(example.players.values()))
    mixture, _, denoised, removed = (player.track for player in first)
    np.testing.assert_allclose(removed.samples, mixture.samples - denoised.samples)
    assert denoised.name == "denoised by conv_tasnet" and denoised.headline.startswith("SI-SDRi")
    assert not removed.headline and not removed.scores


def test_denoisers_alone_are_heard_beside_their_reference(builder, tmp_path):
    run = Run(builder(systems=[]).build().inputs)
    made = content(run, Site(tmp_path))
    assert made["main"] == "denoised by conv_tasnet" and len(made["examples"]) == 3
    [players] = made["examples"][0].players.values()
    names = ["noisy mixture", "mixture without noise", "denoised by conv_tasnet"]
    assert [player.track.name for player in players][:3] == names
    clean, _ = audio.read(run.mixtures.loc[made["examples"][0].pick.mixture_id, "mix_clean_path"])
    np.testing.assert_array_equal(players[1].track.samples, clean)


def test_denoisers_of_other_trainings_are_not_heard(shown, tree, tmp_path):
    """Which have no scores of their own on the page, and the same names."""
    *_, made = shown
    again = {
        name.replace("/0/", f"/{k}/"): path
        for name, path in tree.inputs.estimates.items()
        for k in range(3)
    }
    repeated = content(Run(replace(tree.inputs, estimates=again)), Site(tmp_path))
    for one, other in zip(made["examples"], repeated["examples"], strict=True):
        assert [p.track.name for g in one.players.values() for p in g] == [
            p.track.name for g in other.players.values() for p in g
        ]


def test_sounds_of_an_example_are_equally_loud_and_in_step(shown):
    from pipeline.audio.loudness import loudness

    _, folder, made = shown
    for example in made["examples"]:
        players = [player for group in example.players.values() for player in group]
        sounds = [audio.read_at(folder / f"{p.stem}.flac", RATE) for p in players]
        measured = [loudness(sound, RATE) for sound in sounds]
        assert max(measured) - min(measured) < 0.3
        assert {len(sound) for sound in sounds} == {round(example.seconds * RATE)}
        assert [player.number for player in players] == list(range(1, len(players) + 1))


def test_files_are_named_once_and_exist(builder):
    tree = builder(mixtures=2, speakers=2).build()
    links = re.findall(r'(?:src|href)="(assets/[^"]+)"', written(tree))
    assert len(links) == len(set(links)) == 2 * 2 * (4 + 2 * 3)
    assert all((tree.index.parent / link).is_file() for link in links)
    held = [p for p in (tree.index.parent / "assets").rglob("*") if p.is_file()]
    assert len(held) == len(links)


def test_the_page_states_rule_loudness_coding_and_purity(builder):
    text = " ".join(written(builder(mixtures=5, speakers=1).build()).split())
    assert "the median, the best, the worst of 5 mixtures." in text
    assert "Sounds and pictures have different levels" in text and "−23 LUFS" in text
    assert "16-bit FLAC" in text and "quiet frames" in text
    assert text.count("<article") == 3 and 'id="mixture-test-0004"' in text
    assert "SI-SDRi" in text and "place 3 of 5" in text


def test_one_mixture_of_one_speaker_in_words(builder):
    text = " ".join(written(builder(mixtures=1, speakers=1).build()).split())
    assert "the median, the best, the worst of 1 mixture." in text
    assert "· 1 test mixture," in text and "references;" not in text


def test_as_many_ranks_are_named_as_are_shown(builder):
    tree = builder(mixtures=5, speakers=1).build(config={"report": {"examples": 1}})
    assert "the median of 5 mixtures." in " ".join(written(tree).split())


def test_more_examples_are_drawn(builder):
    tree = builder(mixtures=6, speakers=1).build(config={"report": {"examples": 5}, "seed": 3})
    text = " ".join(written(tree).split())
    assert "then 2 drawn at random by seed 3" in text and text.count("<article") == 5


def test_large_audio_is_opus(builder, monkeypatch):
    monkeypatch.setattr("pipeline.report.listen.clips.settle.__defaults__", (1000,))
    tree = builder(mixtures=1, speakers=1).build()
    text = written(tree)
    assert "Ogg/Opus" in text and ".ogg" in text and ".flac" not in text


def test_speakers_are_escaped(builder):
    text = written(builder(mixtures=1).build())
    assert "Speaker 1, &lt;b&gt;x" in text and "<b>x" not in text and "Ärnó 7" in text


@pytest.mark.parametrize(
    "sizes",
    [
        {"mixtures": 2, "speakers": 1},
        {"mixtures": 1, "speakers": 5},
        {"mixtures": 1, "systems": ["conv_tasnet/noisy/noisy"], "metrics": ["si_sdr"]},
    ],
    ids=["one speaker", "five speakers", "one system"],
)
def test_other_sizes(builder, sizes):
    tree = builder(**sizes).build()
    text = written(tree)
    systems = 2 if "systems" not in sizes else 1
    tracks = 4 + sizes.get("speakers", 3) * (1 + systems)
    assert text.count("<audio") == sizes["mixtures"] * tracks


def test_nothing_without_a_system_that_needs_no_oracle(builder):
    tree = builder(mixtures=1, systems=["conv_tasnet/clean/clean"]).build()
    assert "<article" not in written(tree)


def test_no_denoiser(tree, tmp_path):
    estimates = {n: p for n, p in tree.inputs.estimates.items() if not n.startswith("denoise/")}
    inputs = replace(tree.inputs, estimates=estimates)
    text = rendered(inputs, tmp_path / "index.html", "listen")
    assert "denoised by" not in text and "removed by" not in text


def test_missing_estimates_leave_their_tracks_out(builder):
    tree = builder(mixtures=1, speakers=2).build()
    for manifest in tree.inputs.estimates.values():
        write_manifest(manifest, read_manifest(manifest).iloc[:0])
    assert written(tree).count("<audio") == 2 + 2


def test_shorter_than_a_window(builder):
    tree = builder(mixtures=1, speakers=1).build()
    for path in tree.root.rglob("*.wav"):
        audio.write(path, audio.read(path, 0, 100)[0], RATE, "FLOAT")
    text = written(tree)
    assert "level" not in text.split("<article")[1] and "quiet frames" not in text


def test_of_a_best_system_with_a_share_of_the_mixture_the_same_without_it_is_heard(builder):
    cascade = "conv_tasnet/clean/denoised-conv_tasnet"
    tree = builder(systems=["conv_tasnet/noisy/noisy", cascade, f"{cascade}-dry20"]).build()
    summary = read_manifest(tree.inputs.summary)
    summary.loc[summary["tested"].str.endswith("dry20"), "mean"] += 5
    write_manifest(tree.inputs.summary, summary)
    shared = path_of(f"{cascade}-dry20")
    kept = {name: file for name, file in tree.inputs.estimates.items() if name != shared}
    inputs = replace(tree.inputs, estimates=kept)
    page = rendered(inputs, tree.index, "listen")
    assert Run(inputs).main == shared
    assert "Of that system only scores were kept: its tracks are without the share" in page
    made = content(Run(inputs), Site(tree.root / "again"))
    _, *speakers = made["examples"][0].players.values()
    names = {player.track.name for players in speakers for player in players}
    assert names == {
        "reference",
        "trained on clean, tested on denoised-conv_tasnet",
        "trained on noisy, tested on noisy",
    }
    assert "only scores were kept" not in written(builder().build())
