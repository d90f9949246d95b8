"""Write the figures of docs/weights.md from the cards of the networks: `python docs/weights.py`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.models.card import Card, read_card
from pipeline.report.names import METRICS, interval, number
from pipeline.weights import locate, shipped

PAGE = Path(__file__).with_suffix(".md")
MARK = "<!-- What follows is written by docs/weights.py. -->\n"
SHOWN = ("si_sdri", "si_sdr", "preservation", "stoi", "estoi", "pesq")
INPUTS = {"noisy": "noisy", "clean": "without noise"}


def main() -> None:
    """Replace everything after the mark."""
    kept = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    PAGE.write_text(kept + MARK + figures(), encoding="utf-8")


def figures() -> str:
    """The sections of all networks."""
    cards = {name: read_card(locate(name)) for name in shipped()}
    return "".join(f"\n{line}\n" for name, card in cards.items() for line in section(name, card))


def section(name: str, card: Card) -> Iterator[str]:
    """The paragraphs and tables of one network."""
    told = card.training
    sources = f"{card.num_sources} speakers" if told["task"] == "separate" else "denoised mixture"
    yield f"### `{name}`"
    yield (
        f"{card.model}, {card.sample_rate // 1000} kHz, output: {sources};"
        f" {told['parameters']:,} parameters, {told['multiply_adds'] / 1e6:.0f} million"
        f" multiply-adds for a second of audio. {_begun(card)} for {told['steps']:,} steps on"
        f" {told['audio_seconds'] / 3600:.1f} hours of fresh mixtures, in"
        f" {told['seconds'] / 3600:.1f} hours with {told['threads']} thread"
        f"{'s' if told['threads'] > 1 else ''} of {told['device']}."
    )
    for table in (tests(card.figures), *map(groups, card.figures)):
        if table:
            yield "\n".join(table)


def _begun(card: Card) -> str:
    return (
        "From the weights of a first training, trained" if card.training["init_from"] else "Trained"
    )


def tests(found: list[dict[str, Any]]) -> list[str]:
    """Means with intervals of every test; the value of the mixture itself in brackets."""
    names = [name for name in SHOWN if any(name in test["means"] for test in found)]
    heads = [METRICS[name].title for name in names]
    return [
        f"| talkers | input | mixtures | {' | '.join(heads)} |",
        f"|---|---|---{'|---' * len(heads)}|",
        *(
            f"| {test['speakers']} | {INPUTS.get(test['tested'], test['tested'])} |"
            f" {test['mixtures']} | {' | '.join(_cell(test, name) for name in names)} |"
            for test in found
        ),
    ]


def groups(test: dict[str, Any]) -> list[str]:
    """The headline metric by groups of the noisy mixtures of one test."""
    if test["tested"] != "noisy":
        return []
    metric = METRICS[test["metric"]]
    return [
        f"| {test['speakers']} talkers, noisy | | mixtures | {metric.title} |",
        "|---|---|---|---|",
        *(
            f"| {way} | {label} | {mixtures} | {_estimate(test['metric'], values)} |"
            for way, found in test["groups"].items()
            for label, (mixtures, *values) in found.items()
        ),
    ]


def _cell(test: dict[str, Any], name: str) -> str:
    clean = test["tested"] == "clean"  # where an improvement over the noisy mixture tells nothing
    if name not in test["means"] or (clean and name == "si_sdri"):
        return "–"
    before = None if clean or name == "si_sdri" else test["mixture"].get(name)
    bracket = f" [{number(before[0], METRICS[name].digits)}]" if before else ""
    return _estimate(name, test["means"][name]) + bracket


def _estimate(name: str, values: list[float]) -> str:
    digits = METRICS[name].digits
    return f"{number(values[0], digits)} ({interval(values[1], values[2], digits)})"


if __name__ == "__main__":
    main()
