"""Error rates of recognised words against the words of the speakers."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

ERROR_RATES = ("wer", "cer")
CP_ERROR_RATE = "cpwer"


def normalised(text: str) -> str:
    """Return a text without case, punctuation and repeated spaces.

    >>> normalised(" You're, HERE. ")
    'youre here'
    """
    import jiwer  # an extra of the project

    same = [jiwer.ToLowerCase(), jiwer.RemovePunctuation(), jiwer.RemoveMultipleSpaces()]
    return str(jiwer.Compose([*same, jiwer.Strip()])(text))


def error_rates(reference: str, hypothesis: str) -> dict[str, float] | None:
    """Word and character error rate in percent; None where the reference has no words.

    WER = 100 (S + D + I) / N: substituted, deleted and inserted words over those of the reference;
    CER counts characters. Case, punctuation and spacing are ignored. A rate can exceed 100 %.

    >>> error_rates("I'm here.", "im  hear")
    {'wer': 50.0, 'cer': 28.57142857142857}
    """
    import jiwer

    said, found = normalised(reference), normalised(hypothesis)
    if not said:
        return None
    return {"wer": 100 * jiwer.wer(said, found), "cer": 100 * jiwer.cer(said, found)}


def cp_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> float | None:
    """Concatenated minimum-permutation WER in percent; None where the references have no words.

    Each stream of words is assigned to one speaker, so that the errors of all are fewest (Watanabe
    et al. 2020, arXiv:2004.09249):

        cpWER = 100 min over assignments Σ (S + D + I) / Σ N.

    The words of a speaker without a stream are deleted, those of a stream without a speaker
    inserted.

    Args:
        references: the words of each speaker.
        hypotheses: the words of each stream, in any order.

    >>> cp_error_rate(["one two", "three four"], ["three four", "one too"])
    25.0
    """
    both = references, hypotheses
    said, found = ([normalised(text).split() for text in texts] for texts in both)
    words = sum(map(len, said))
    if not words:
        return None
    places = max(len(said), len(found))
    said, found = (texts + [[]] * (places - len(texts)) for texts in (said, found))
    errors = np.array([[_word_errors(one, other) for other in found] for one in said])
    return float(100 * errors[linear_sum_assignment(errors)].sum() / words)


def _word_errors(said: list[str], found: list[str]) -> int:
    """Substituted, deleted and inserted words."""
    import jiwer

    if not said or not found:
        return len(said) + len(found)
    counts = jiwer.process_words(" ".join(said), " ".join(found))
    return counts.substitutions + counts.deletions + counts.insertions
