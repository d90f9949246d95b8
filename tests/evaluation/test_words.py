"""Many comparisons in few sentences."""

from pipeline.evaluation.words import sentence_of, sentences_of

PAIR = {
    **{"kind": "clean-trained", "separator": "conv", "trained_a": "clean", "trainings": 3},
    **{"mean_a": 2.0, "mean_b": 1.5, "difference": 0.5, "low": -0.25, "high": 1.25},
    **{"confidence": 0.95, "mixtures": 30, "win_rate": 0.7, "p_value_adjusted": 0.07125},
}


def facts(*named, **changes):
    """A fact for each denoiser with its verdict, and their sentences."""
    found = [PAIR | {"denoiser": name, "verdict": verdict} | changes for name, verdict in named]
    for fact in found:
        fact["sentence"] = sentence_of(fact, 0.25, len(found))
    return found


def test_a_p_value_that_is_adjusted_is_said_to_be():
    one, two = (facts(*[("a", "not decided")] * count)[0]["sentence"] for count in (1, 2))
    assert "(95 % interval -0.25 to 1.25, 30 mixtures" in one
    assert "1.25, p 0.071 adjusted for 2 comparisons, 30 mixtures" in two


def test_few_have_a_sentence_each():
    three = facts(*[(name, "not decided") for name in "abc"])
    assert list(sentences_of(three)) == [fact["sentence"] for fact in three]


def test_many_of_one_verdict_are_told_together():
    names = [*"ab", "better", *"cdef"]
    found = facts(*[(name, "helps" if name == "better" else "not decided") for name in names])
    found.sort(key=lambda fact: fact["verdict"])
    better, first, rest = sentences_of(found)
    assert "with better helps" in better and "with a is not shown" in first
    each = [f"{name} (0.50 dB higher, -0.25 to 1.25)" for name in "bcdef"]
    assert rest == f"The same holds of {', '.join(each)}."


def test_other_separators_and_rivals_are_told_apart():
    found = facts(*[(name, "not decided") for name in "abcd"])
    assert len(list(sentences_of(found))) == 2
    other = facts(*[(name, "not decided") for name in "abcd"], separator="dprnn")
    assert len(list(sentences_of(found + other))) == 4
    rivals = [fact | {"rival": name} for fact, name in zip(found, "wxyz", strict=True)]
    assert len(list(sentences_of(rivals))) == 4


def test_one_training_has_no_verdict():
    found = facts(*[(name, "") for name in "abcd"], trainings=1)
    for fact in found:
        del fact["verdict"]
    assert list(sentences_of(found))[1].startswith("With others: b (0.50 dB higher, -0.25 to")
