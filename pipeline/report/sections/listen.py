"""The section of examples to listen to: mixtures picked by rule, with synchronised signals."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from pipeline import audio
from pipeline.report.listen.clips import LOUDNESS, QUIETEST, amplified, gains, level, settle
from pipeline.report.listen.pictures import (
    SPAN_DB,
    Tick,
    draw,
    frequency_ticks,
    save,
    scale_of,
    time_ticks,
)
from pipeline.report.listen.purity import noise_below
from pipeline.report.listen.tracks import Estimates, Recording, Track, in_words
from pipeline.report.mixture_facts import input_snr
from pipeline.report.names import counted, full_label, number
from pipeline.report.picks import RANDOM, Pick, picks, shown_systems
from pipeline.report.run import Run
from pipeline.report.site import Site
from pipeline.report.systems import without_share

TITLE = "Listen"


@dataclass(frozen=True)
class Player:
    """A track on the page.

    Attributes:
        number: position in the example, from 1.
        track: its names and scores.
        stem: paths of its sound and its image, relative to the page, without suffixes.
        loudness: original loudness in words, "" if undefined.
    """

    number: int
    track: Track
    stem: str
    loudness: str


@dataclass(frozen=True)
class Example:
    """A mixture: the reason for it, its facts, its players by heading, and their axes."""

    pick: Pick
    reason: str
    facts: str
    seconds: float
    players: dict[str, list[Player]]
    times: Sequence[Tick]
    frequencies: Sequence[Tick]


def content(run: Run, site: Site) -> dict[str, Any] | None:
    """Return the examples and their settings; None if no system was scored."""
    chosen, systems = picks(run), shown_systems(run)
    if not chosen:
        return None
    estimates = Estimates.of(run, systems)
    examples, purity = [], []
    for place, one in enumerate(chosen, 1):
        recording = Recording(run, one.mixture_id, estimates)
        examples.append(_example(site, f"listen/{place}", one, recording))
        purity += [noise_below(each, recording.sample_rate) for each in recording.references]
    coding = settle(sorted(site.asset("listen").rglob("*.flac")))
    return {
        "examples": examples,
        "mixtures": counted(chosen[0].mixtures, "mixture"),
        "ranks": [name for one in chosen for name in one.reason.split(", ") if name != RANDOM],
        "drawn": sum(one.reason == RANDOM for one in chosen),
        "seed": run.seed,
        "main": full_label(str(run.main)),
        "unheard": without_share(str(run.main)) != run.main,
        "separated": bool(run.systems),
        "loudness": number(LOUDNESS, 0),
        "quietest": number(QUIETEST, 0),
        "span": f"{SPAN_DB:g}",
        "coding": coding,
        "purity": _span(purity),
    }


def _example(site: Site, folder: str, one: Pick, recording: Recording) -> Example:
    seconds = len(recording.mixture) / recording.sample_rate
    return Example(
        one,
        one.reason[0].upper() + one.reason[1:],
        _facts(one, recording, seconds),
        seconds,
        _players(site, folder, recording),
        time_ticks(seconds),
        frequency_ticks(recording.sample_rate),
    )


def _facts(one: Pick, recording: Recording, seconds: float) -> str:
    run = recording.run
    [snr] = input_snr(run.mixtures.loc[[one.mixture_id]])
    best = "system" if run.systems else "denoiser"
    facts = [
        f"{in_words(str(run.metric), one.value)} of the best {best}",
        f"place {one.place} of {one.mixtures}",
        f"{number(seconds, 1)} s",
        f"input SNR {number(snr, 1)} dB" if pd.notna(snr) else "",
    ]
    return ", ".join(filter(None, facts))


def _players(site: Site, folder: str, recording: Recording) -> dict[str, list[Player]]:
    """Write the sounds and images of an example, on the scale of the mixture."""
    groups, rate = recording.groups(), recording.sample_rate
    tracks = [track for group in groups for track in group.tracks]
    levels = [level(track.samples, rate) for track in tracks]
    scale = scale_of(recording.mixture, rate)
    players = []
    for place, (track, own, gain) in enumerate(zip(tracks, levels, gains(levels), strict=True), 1):
        path = site.asset(f"{folder}/{place}")
        sound = amplified(track.samples, gain)
        audio.write(path.with_suffix(".flac"), sound, rate, format="FLAC")
        save(draw(track.samples, scale), path.with_suffix(".webp"))
        loudness = f"{number(own.loudness, 1)} LUFS" if np.isfinite(own.loudness) else ""
        players.append(Player(place, track, site.href(path), loudness))
    remaining = iter(players)
    return {group.title: list(islice(remaining, len(group.tracks))) for group in groups}


def _span(decibels: Sequence[float]) -> str:
    """Median and range of values in words; "" if none is defined."""
    defined = [value for value in decibels if np.isfinite(value)]
    if not defined:
        return ""
    middle, low, high = (number(np.quantile(defined, q), 0) for q in (0.5, 0, 1))
    spread = f" (median of {len(defined)} references; {low} to {high} dB)"
    return f"{middle} dB{spread * (len(defined) > 1)}"
