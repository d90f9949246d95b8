"""The names of everything that a run trains and tries, spelled and parsed here and nowhere else.

    task × network × trained condition × run  → a model
    model × tested condition × step after it  → a system

A name is a part of paths, tables and the configuration alike: `separate/direct/noisy/0` is a
model, `separate/direct/noisy/0/denoised-demucs` a system, and `separators.direct/noisy` refers to
the model of each run.
"""

import re
from dataclasses import dataclass
from typing import Literal, Self, cast, get_args

from pipeline.base.errors import PipelineError

NAME = "[a-z0-9_]+"
RUN = "0|[1-9][0-9]*"
DRY = "[1-9][0-9]?|100"
BUILT = rf"clean|noisy|untrained|denoised-{NAME}"
"""Conditions of which there is audio; of a dry share only the scores are kept."""
CONDITION = rf"{BUILT}(?:-dry(?:{DRY}))?"
RUNNABLE = rf"(?:{BUILT})(?:--denoised-{NAME})?"
"""Headings of systems that have estimates; `chosen` is only spelled so far."""
TESTED = rf"(?:{CONDITION})(?:\+(?:{CONDITION}))?(?:--(?:chosen|denoised-{NAME}))?"

SYSTEM = ["task", "name", "trained", "run", "tested"]
"""Columns of every table that tells systems apart."""

Kind = Literal["clean", "noisy", "denoised", "untrained"]


@dataclass(frozen=True)
class Condition:
    """Which mixture is the input of a network, in training or in a test.

    `clean` is the mixture without noise, which exists in experiments only; `noisy` is the mixture;
    `denoised-<name>` is the output of a denoiser for it, `denoised-<name>-dry20` with 20 % of the
    mixture added back (100: the mixture itself). A network that is taken as it is was trained on
    `untrained`.

    >>> Condition.parse("denoised-demucs-dry20")
    Condition(kind='denoised', denoiser='demucs', dry=20)
    """

    kind: Kind
    denoiser: str = ""
    dry: int = 0

    def __str__(self) -> str:
        if self.kind != "denoised":
            return self.kind
        return f"denoised-{self.denoiser}" + (f"-dry{self.dry}" if self.dry else "")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a condition.

        Raises:
            PipelineError: the text is not a condition.
        """
        if text in get_args(Kind) and text != "denoised":
            return cls(cast(Kind, text))
        found = re.fullmatch(rf"denoised-({NAME})(?:-dry({DRY}))?", text)
        if not found:
            raise PipelineError(
                f"'{text}' is not a condition; write clean, noisy or denoised-<name of a denoiser>"
            )
        return cls("denoised", found[1], int(found[2] or 0))


CLEAN, NOISY, UNTRAINED = Condition("clean"), Condition("noisy"), Condition("untrained")
UNPROCESSED = "mixture"
"""Name of the system of each task that does nothing: its output is the noisy mixture."""
IDEAL_MASK = "ideal_mask"
"""Name of the system whose masks are computed from the true sources: an oracle."""
NO_NETWORKS = {UNPROCESSED: "the unprocessed mixture", IDEAL_MASK: "the ideal mask"}
"""Names of systems without a network, which no network may have, and what they are."""


@dataclass(frozen=True)
class ModelKey:
    """One training of a network: its task, its name, its condition, and the number of the run.

    >>> ModelKey.parse("separate/direct/noisy/0").path
    'separate/direct/noisy/0'
    """

    task: str
    name: str
    trained: Condition
    run: int = 0

    @property
    def path(self) -> str:
        """Its folder below `results/models/`."""
        return f"{self.task}/{self.name}/{self.trained}/{self.run}"

    @classmethod
    def parse(cls, path: str) -> Self:
        """Read a path.

        Raises:
            PipelineError: the text is not a model.
        """
        found = re.fullmatch(rf"({NAME})/({NAME})/({CONDITION})/({RUN})", path)
        if not found:
            raise PipelineError(f"'{path}' is not a model; write task/name/condition/run")
        task, name, trained, run = found.groups()
        return cls(task, name, Condition.parse(trained), int(run))


def weights_of(model: ModelKey) -> str:
    """Its weights file, relative to the working folder of a run."""
    return f"results/models/{model.path}/model.safetensors"


@dataclass(frozen=True)
class System:
    """A model and its input in a test, with at most one step after it.

    `reference` is the condition of the reference recording, for tasks that have one. `after` is
    `chosen`, where one of the separated sources is taken, or `denoised-<name>`, where each of them
    is denoised.

    >>> System.parse("separate/direct/noisy/0/clean--chosen").after
    'chosen'
    """

    model: ModelKey
    tested: Condition
    reference: Condition | None = None
    after: str = ""

    @property
    def heading(self) -> str:
        """The last part of its path: the conditions of the test, and the step after the model."""
        reference = f"+{self.reference}" if self.reference else ""
        return f"{self.tested}{reference}" + (f"--{self.after}" if self.after else "")

    @property
    def path(self) -> str:
        """Its folder below `results/estimates/`."""
        return f"{self.model.path}/{self.heading}"

    @property
    def columns(self) -> dict[str, str | int]:
        """Its values in the columns `SYSTEM`."""
        model = self.model
        values = (model.task, model.name, str(model.trained), model.run, self.heading)
        return dict(zip(SYSTEM, values, strict=True))

    @classmethod
    def parse(cls, path: str) -> Self:
        """Read a path.

        Raises:
            PipelineError: the text is not a system.
        """
        model, _, heading = path.rpartition("/")
        if not re.fullmatch(TESTED, heading):
            raise PipelineError(
                f"'{path}' is not a system; write task/name/condition/run/condition"
            )
        return cls(ModelKey.parse(model), *split_heading(heading))


def split_heading(heading: str) -> tuple[Condition, Condition | None, str]:
    """The parts of a heading: the conditions of mixture and reference, and the step after.

    >>> split_heading("noisy--denoised-demucs")
    (Condition(kind='noisy', denoiser='', dry=0), None, 'denoised-demucs')
    """
    conditions, _, after = heading.partition("--")
    tested, _, reference = conditions.partition("+")
    return Condition.parse(tested), Condition.parse(reference) if reference else None, after


def denoiser_after(after: str) -> str:
    """The denoiser of a step after a model; empty for another step, or none."""
    return after.removeprefix("denoised-") if after.startswith("denoised-") else ""


@dataclass(frozen=True)
class Reference:
    """A model as the configuration refers to it; the run is that of whatever refers to it.

    >>> Reference.parse("separators.direct/noisy").name
    'direct'
    """

    section: str
    name: str
    trained: Condition | None = None

    def __str__(self) -> str:
        return f"{self.section}.{self.name}" + (f"/{self.trained}" if self.trained else "")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference; a model that is trained on one condition only need not name it.

        Raises:
            PipelineError: the text is not a reference.
        """
        found = re.fullmatch(rf"({NAME})\.({NAME})(?:/(.+))?", text)
        if not found:
            raise PipelineError(
                f"'{text}' does not refer to a model; write <section>.<name>, or"
                " <section>.<name>/<condition> where it is trained on several"
            )
        section, name, trained = found.groups()
        return cls(section, name, Condition.parse(trained) if trained else None)
