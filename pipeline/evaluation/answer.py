"""Say in words what the comparisons show, and keep the numbers behind each sentence."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from pipeline.base.files import read_manifest, write_json
from pipeline.evaluation.best_denoiser import QUESTION as OF_DENOISERS
from pipeline.evaluation.best_denoiser import best_denoiser
from pipeline.evaluation.best_system import best_system, separations
from pipeline.evaluation.repeats import ALL, of_all_trainings
from pipeline.evaluation.rivals import Rivals
from pipeline.evaluation.systems import (
    ARM,
    denoised_after,
    has_rival,
    input_of,
    is_direct,
)
from pipeline.evaluation.trainings import holm
from pipeline.evaluation.words import Fact, sentence_of, sentences_of
from pipeline.tasks import DENOISE, SEPARATE
from pipeline.tasks.grammar import CLEAN, NOISY

QUESTION = "Does denoising first help separation?"
METRIC = "si_sdri"
Names = tuple[str, ...]
"""A network, and its conditions of training and of the test."""

KINDS = (
    *("matched", "clean-cascade", "observation-adding"),
    *("joint", "denoised-after", "clean-trained"),
)
"""Forms of the question, in the order of the answer. All but the last are against a rival.

Of each form the system that reached most comes first.
"""
CAUTION = (
    "Each network was trained once, and intervals are over test mixtures alone. Another training"
    " may well reverse a difference of less than a decibel, so that this run decides nothing in"
    " general."
)


def answer(
    comparisons: Path,
    summary: Path,
    costs: Path,
    latency: Path,
    out: Path,
    equivalence_db: float = 0.25,
) -> None:
    """Write the answer as JSON: `question`, `sentences`, and the `facts` they state.

    For every separator and denoiser three comparisons are looked for: the denoiser with the
    separator that is trained on denoised mixtures (`matched`) and with the one that is trained on
    clean ones (`clean-cascade`), both against a rival; and the latter with and without the denoiser
    (`clean-trained`). Where a share of the mixture was chosen on dev, the first two are also looked
    for with that share (`observation-adding`), and where the separated sources are denoised, these
    against a rival (`denoised-after`). The rival is a system trained and
    tested on noisy mixtures, the best on dev of those that take at most the cascade's compute
    (`rivals.py`). With one training of each network
    the sentences say which was higher in this run, and give no verdict. Over several trainings
    denoising helps or hurts where the p value, adjusted for all comparisons that are named (Holm
    1979), is low enough; it makes no difference where equivalence is shown in the same way; else it
    is not decided. Where the denoiser was
    timed, the fact has the time it adds in `timings`, one for each setting that it was timed
    under: `device` and `threads`, the medians `added_latency_ms` and `audio_seconds`, and of how
    many `files`. A further sentence names the best system that needs no clean mixture, where
    several systems are given denoised ones. A run without separators asks which denoiser is the
    best (`best_denoiser.py`).

    Args:
        comparisons: what `aggregate.compare` wrote.
        summary: what `aggregate.summarise` wrote.
        costs: what `costs.write_costs` wrote.
        latency: what `latency.collect_latency` wrote: a row a file.
        out: the JSON file. Where no comparison is available, a sentence says which.
        equivalence_db: the margin of the comparisons, for the sentence.
    """
    pairs = _of_metric(read_manifest(comparisons))
    summed = read_manifest(summary)
    means = _of_metric(of_all_trainings(summed))
    alone = not (summed["task"] != DENOISE.name).any()
    if alone:
        trainings = len(set(summed["run"].astype(str)) - {ALL})
        steps = read_manifest(costs)["steps"]  # published networks have none
        trained = bool(steps.empty or steps.notna().any())
        compared = best_denoiser(pairs, means, trainings, trained)
    else:
        rivals, times = Rivals(read_manifest(costs)), read_manifest(latency)
        found = list(_comparisons(pairs, means, rivals, times))
        found.sort(key=lambda f: (KINDS.index(f["kind"]), -f["mean_a"]))
        compared = _judged(found, equivalence_db)
    facts = compared or [_unavailable(means)]
    once = any(fact["trainings"] == 1 and fact.get("trained", True) for fact in compared)
    facts += [{"kind": "caution", "sentence": CAUTION}] if once else []
    facts += best_system(means)
    sentences = list(dict.fromkeys(sentences_of(facts)))  # two cascades may have one rival
    question = OF_DENOISERS if alone else QUESTION
    write_json(out, {"question": question, "sentences": sentences, "facts": facts})


def _of_metric(table: pd.DataFrame) -> list[Fact]:
    """The rows of `METRIC`, NaN (which JSON has not) as None."""
    rows = table[table["metric"] == METRIC].astype(object)
    return [
        {str(key): value for key, value in row.items()}
        for row in rows.where(rows.notna(), None).to_dict("records")
    ]


def _comparisons(
    pairs: list[Fact], means: list[Fact], rivals: Rivals, times: pd.DataFrame
) -> Iterator[Fact]:
    """Yield a fact for each form, separator and denoiser where both systems were scored."""
    own = (pair for pair in pairs if pair["task"] == SEPARATE.name and pair["mixtures"])
    found = {_sides(pair): pair for pair in own}
    scored = sorted({tuple(row[key] for key in ARM[1:]) for row in separations(means)})
    for arm in scored:
        if arm[0] in rivals.joint and is_direct(*arm[1:]):
            yield from _joint(arm, found, rivals)
    for arm in scored:
        for kind, other, words in _forms(arm, rivals):
            if pair := found.get((arm, other)):
                named = {"separator": arm[0], "denoiser": _denoiser(arm[2]), "kind": kind}
                # That of a denoiser behind the separator is in the time of the whole system.
                front = input_of(arm[2]).denoiser
                yield named | words | pair | _added_latency(times, front)


def _forms(arm: Names, rivals: Rivals) -> Iterator[tuple[str, Names, Fact]]:
    """Yield the forms of the question that a system with a denoiser is part of.

    Of each the kind, the other system, and what the sentence needs beside their comparison.
    """
    separator, trained, tested = arm
    given = input_of(tested)
    if has_rival(trained, tested) and (rival := rivals.of(*arm)):
        words: Fact = {"rival": rival.name, "chosen": rival.reason}
        kind = "matched" if trained == tested else "clean-cascade"
        if share := given.dry:
            kind, words = "observation-adding", words | {"share": share}
        elif denoised_after(tested):
            kind = "denoised-after"
        yield kind, (rival.name, str(NOISY), str(NOISY)), words
    if trained == str(CLEAN) and given.denoiser and not given.dry:
        yield "clean-trained", (separator, trained, str(NOISY)), {}


def _denoiser(tested: str) -> str:
    """The denoiser before or behind a system."""
    return input_of(tested).denoiser or denoised_after(tested)


def _joint(arm: Names, found: dict[tuple[Names, ...], Fact], rivals: Rivals) -> Iterator[Fact]:
    """Yield the fact of a chain and its rival, where both were scored."""
    if rival := rivals.of(*arm):
        other = (rival.name, *arm[1:])
        words = {"separator": arm[0], "rival": rival.name, "chosen": rival.reason}
        if pair := found.get((arm, other)):
            yield {"kind": "joint"} | words | pair
        elif pair := found.get((other, arm)):
            yield {"kind": "joint"} | words | reversed_pair(pair)


def reversed_pair(pair: Fact) -> Fact:
    """The comparison of the second system with the first."""
    other = {"a": "b", "b": "a"}
    swapped = {
        key: pair[f"{key[:-1]}{other[key[-1]]}"] if key[-2:] in ("_a", "_b") else value
        for key, value in pair.items()
    }
    values = (pair["difference"], pair["high"], pair["low"])
    negative = (None if value is None else -value for value in values)
    swapped |= dict(zip(("difference", "low", "high"), negative, strict=True))
    return swapped | {"win_rate": 1 - pair["win_rate"]}


def _sides(pair: Fact) -> tuple[Names, ...]:
    """The two systems of a comparison: network, and conditions of training and of the test."""
    return tuple(tuple(pair[f"{key}_{side}"] for key in ARM[1:]) for side in "ab")


def _added_latency(times: pd.DataFrame, denoiser: str) -> Fact:
    """What the denoiser takes, which separation of its output waits for; nothing if not timed."""
    own = times[(times["task"] == DENOISE.name) & (times["name"] == denoiser)]
    timings = [
        {
            "device": device,
            "threads": int(threads),
            "added_latency_ms": float(calls["latency_ms"].median()),
            "audio_seconds": float(calls["audio_seconds"].median()),
            "files": len(calls),
        }
        for (device, threads), calls in own.groupby(["device", "threads"], sort=False)
    ]
    return {"timings": timings} if timings else {}


def _judged(facts: list[Fact], margin: float) -> list[Fact]:
    """Comparisons with their sentences, and over several trainings with a verdict."""
    repeated = [fact for fact in facts if fact["trainings"] > 1]
    known = [fact for fact in repeated if fact["p_value"] is not None]
    for name in ("p_value", "p_equivalence"):
        adjusted = holm([fact[name] for fact in known])
        for fact, value in zip(known, adjusted, strict=True):
            fact[f"{name}_adjusted"] = value
    for fact in facts:
        if fact["trainings"] > 1:
            fact["verdict"] = _verdict(fact)
        fact["sentence"] = sentence_of(fact, margin, len(known))
    return facts


def _verdict(fact: Fact) -> str:
    level = 1 - fact["confidence"]
    if fact.get("p_value_adjusted", 1) < level:
        return "helps" if fact["difference"] > 0 else "hurts"
    return "no difference" if fact.get("p_equivalence_adjusted", 1) < level else "not decided"


def _unavailable(means: list[Fact]) -> Fact:
    scored = sorted("/".join(row[key] for key in ARM[1:]) for row in separations(means))
    sentence = "The question cannot be answered from this run: "
    if scored:
        sentence += (
            "no separator was trained on denoised and on noisy mixtures, and none on clean ones and"
            f" then given both (systems scored: {', '.join(scored)}); add the conditions under"
            " separators:."
        )
    elif means:
        sentence += "no estimate has an SI-SDRi; the log of the scores says why."
    else:
        sentence += "no system was scored in SI-SDRi; add si_sdr to evaluation.metrics."
    return {"kind": "unavailable", "sentence": sentence}
