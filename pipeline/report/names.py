"""Labels of systems, conditions and metrics on the page and in tables."""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import NamedTuple

import pandas as pd

from pipeline.evaluation.systems import denoised_after, input_of
from pipeline.report.systems import DENOISED, MASKED, ORACLE, denoiser_of, separator_of, system
from pipeline.tasks import DENOISE, TASKS
from pipeline.tasks.grammar import ModelKey


class Metric(NamedTuple):
    """The presentation of a metric: label, unit ("" for none), decimals, whether low is good."""

    label: str
    unit: str
    digits: int
    low_is_good: bool = False

    @property
    def title(self) -> str:
        """Label with unit, as a column heading."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


# In the order of the columns; the first one present is the headline metric.
METRICS = {
    "si_sdri": Metric("SI-SDRi", "dB", 2),
    "si_sdr": Metric("SI-SDR", "dB", 2),
    "snr": Metric("SNR", "dB", 2),
    "preservation": Metric("Preservation", "dB", 1),
    "sdri": Metric("SDRi", "dB", 2),
    "sdr": Metric("SDR", "dB", 2),
    "sir": Metric("SIR", "dB", 2),
    "sar": Metric("SAR", "dB", 2),
    "e_interf": Metric("Interference", "dB", 1, low_is_good=True),
    "e_noise": Metric("Noise", "dB", 1, low_is_good=True),
    "e_artif": Metric("Artifacts", "dB", 1, low_is_good=True),
    "stoi": Metric("STOI", "", 3),
    "estoi": Metric("ESTOI", "", 3),
    "pesq": Metric("PESQ", "", 2),
    "dnsmos_ovrl": Metric("DNSMOS OVRL", "", 2),
    "dnsmos_sig": Metric("DNSMOS SIG", "", 2),
    "dnsmos_bak": Metric("DNSMOS BAK", "", 2),
    "wer": Metric("WER", "%", 1, low_is_good=True),
    "cer": Metric("CER", "%", 1, low_is_good=True),
    "cpwer": Metric("cpWER", "%", 1, low_is_good=True),
    "counted": Metric("Counted right", "%", 1),
    "missed": Metric("Missed speakers", "", 2, low_is_good=True),
    "extra": Metric("Extra outputs", "", 2, low_is_good=True),
}


def system_label(name: str) -> str:
    """Return a system's name in words."""
    if parsed := system(name):
        return f"trained on {parsed.trained}, tested on {tested_words(parsed.tested)}"
    if name == MASKED:
        return "ideal ratio mask (oracle)"
    denoiser = denoiser_of(name)
    return condition_label(DENOISED + denoiser) if denoiser else "unprocessed mixture"


def full_label(name: str) -> str:
    """Return a system's name in words, with the separator's."""
    return ", ".join(filter(None, [separator_of(name), system_label(name)]))


def system_labels(names: Iterable[str]) -> dict[str, str]:
    """Return systems' names in words, with the separator's if there are several."""
    parsed = {name: system(name) for name in names}
    several = len({each.separator for each in parsed.values() if each}) > 1
    return {
        name: f"{each.separator}: {system_label(name)}" if each and several else system_label(name)
        for name, each in parsed.items()
    }


def model_label(path: str) -> str:
    """Return a model's name in words: `denoiser demucs`, `separator direct, noisy`."""
    model = ModelKey.parse(path)
    noun = TASKS[model.task].section.removesuffix("s")
    trained = "" if model.task == DENOISE.name else f", {model.trained}"
    run = f", run {model.run}" if model.run else ""
    return f"{noun} {model.name}{trained}{run}"


def tested_words(tested: str) -> str:
    """Return the input of a system and the step after it, for a sentence.

    >>> tested_words("noisy--denoised-demucs"), tested_words("denoised-demucs-dry20")
    ('noisy, separated, then denoised by demucs', 'denoised-demucs with 20 % of the mixture')
    """
    given = input_of(tested)
    share = f" with {given.dry} % of the mixture" if given.dry else ""
    return f"{replace(given, dry=0)}{share}{_step(tested)}"


def condition_label(tested: str) -> str:
    """Return the name of a condition in words, with the step after a system if there is one."""
    given = input_of(tested)
    share = f", {given.dry} % of the mixture added back" if given.dry else ""
    words = f"denoised by {given.denoiser}{share}" if given.denoiser else str(given)
    return words + _step(tested)


def _step(tested: str) -> str:
    denoiser = denoised_after(tested)
    return f", separated, then denoised by {denoiser}" if denoiser else ""


def test_label(condition: str) -> str:
    """Return a test condition's name in words: `clean` as input is an oracle, in training not."""
    return "clean (oracle)" if condition == ORACLE else condition_label(condition)


def condition_order(conditions: Iterable[str]) -> list[str]:
    """Return distinct conditions: clean, noisy, then the denoised ones in their given order."""
    first = {ORACLE: 0, "noisy": 1}
    return sorted(dict.fromkeys(conditions), key=lambda name: first.get(name, 2))


def metric_of(name: str) -> Metric:
    """Return how to show a metric; an unknown one keeps its name."""
    return METRICS.get(name, Metric(name, "", 2))


def metrics_in(table: pd.DataFrame) -> list[str]:
    """Return the metrics of a long table, known ones first and in the report's order."""
    present = list(dict.fromkeys(table["metric"]))
    return [m for m in METRICS if m in present] + [m for m in present if m not in METRICS]


def of_systems(table: pd.DataFrame, wanted: Callable[[str], bool]) -> pd.DataFrame:
    """Return the rows of systems whose name is `wanted`."""
    return table[table["system"].map(wanted).astype(bool)]


def headline(summary: pd.DataFrame) -> str | None:
    """Return the headline metric: the first of separation systems, or else of denoisers."""
    separation = of_systems(summary, lambda name: system(name) is not None)
    denoising = of_systems(summary, lambda name: denoiser_of(name) is not None)
    return next(iter(metrics_in(separation) or metrics_in(denoising)), None)


def counted(count: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "mixture"), counted(2, "mixture")
    ('1 mixture', '2 mixtures')
    """
    return f"{count} {noun}{'s' * (count != 1)}"


def any_of(numbers: Iterable[int]) -> str:
    """Return alternatives in words.

    >>> any_of([1, 2, 3]), any_of([2])
    ('1, 2 or 3', '2')
    """
    *others, last = map(str, numbers)
    return f"{', '.join(others)} or {last}" if others else last


def number(value: float | None, digits: int = 2, sign: bool = False) -> str:
    """Return a number as text, with a true minus sign; a dash for None or NaN."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:{'+' if sign else ''}.{digits}f}"
    # Rounding must not leave a signed zero behind.
    text = text.lstrip("+-") if float(text) == 0 else text
    return text.replace("-", "−")


def significant(value: float | None, digits: int = 3) -> str:
    """Return a number with `digits` significant digits, never as a power of ten; a dash for none.

    >>> significant(0.26607), significant(12.345), significant(123456.0), significant(75.0)
    ('0.266', '12.3', '123456', '75')
    """
    if value is None or not math.isfinite(value):
        return "–"
    whole = value == 0 or (float(value).is_integer() and abs(value) >= 10 ** (digits - 2))
    decimals = 0 if whole else digits - 1 - math.floor(math.log10(abs(value)))
    return f"{value:.{max(decimals, 0)}f}"


def interval(low: float | None, high: float | None, digits: int = 2, sign: bool = False) -> str:
    """Return an interval as text; empty if there is none."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"{number(low, digits, sign)} to {number(high, digits, sign)}"
