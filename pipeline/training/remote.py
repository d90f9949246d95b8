"""A tracker on a server, which may fail without any harm to the training."""

import logging
import socket
from abc import abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from pipeline.base.files import read_json, write_json
from pipeline.training.state import Saved, State

SECONDS = 10  # that a server has to answer
PORTS = {"http": 80, "https": 443}


class Remote(Logger):
    """A tracker that may fail: its first error is a warning, and ends it.

    Args:
        state: of the training. It keeps the number that the tracker gives to this run, so that a
            resumed training continues the run.
        saved: the step from which it is resumed, which trackers need not know.
        facts: settings of the training.
    """

    title = ""  # its key in the configuration

    def __init__(self, state: State, saved: Saved | None, facts: Mapping[str, Any]) -> None:
        super().__init__()
        self.folder, self.facts = state.folder.absolute(), facts
        self.run = "/".join(self.folder.parts[-5:-1])  # task, name, condition, run
        self.begun, self.failed = False, False

    @property
    def name(self) -> str:
        """The name of the tracker."""
        return self.title

    @property
    def version(self) -> str:
        """The run."""
        return self.run

    @abstractmethod
    def begin(self, number: str | None) -> str:
        """Begin a run, or continue the one of this number; return its number."""

    @abstractmethod
    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Add a point to each of these curves."""

    @abstractmethod
    def media(self, tag: str, sound: Path, picture: Path, step: int) -> None:
        """Add a FLAC and a PNG."""

    @abstractmethod
    def end(self, succeeded: bool) -> None:
        """End the run."""

    @rank_zero_only
    def open(self) -> None:
        """Begin the run, so that a training does not wait for it."""
        self._attempt(lambda: None)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add a point to each curve."""
        values = {name: float(value) for name, value in metrics.items()}
        self._attempt(lambda: self.scalars(values, step or 0))

    def flush(self) -> None:
        """Do nothing, since what is passed on is on its way."""

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing, since the facts are passed on as the run begins."""

    @rank_zero_only
    def show(self, tag: str, sound: Path, picture: Path, step: int) -> None:
        """Add a FLAC and its spectrogram, a PNG."""
        self._attempt(lambda: self.media(tag, sound, picture, step))

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """End the run; `status` is Lightning's, `success` or another."""
        if self.begun:
            self._attempt(lambda: self.end(status == "success"))

    def _attempt(self, action: Callable[[], None]) -> None:
        if self.failed:
            return
        try:
            if not self.begun:
                self._begin()
            action()
        except Exception as error:  # of any package or server
            self.failed = True
            [reason, *_] = str(error).strip().splitlines() or [type(error).__name__]
            logging.warning("%s: %s; the training goes on without it", self.title, reason)

    def _begin(self) -> None:
        kept, facts = self.folder / "trackers.json", flat(self.facts)
        runs = read_json(kept) if kept.exists() else {}
        known = runs.get(self.title, {})
        # Another training in the same folder is another run.
        number = self.begin(known.get("number") if known.get("facts") == facts else None)
        self.begun = True
        write_json(kept, runs | {self.title: {"number": number, "facts": facts}})


def flat(facts: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Settings without nesting, as text.

    >>> flat({"seed": 0, "training": {"epochs": 2}})
    {'seed': '0', 'training.epochs': '2'}
    """
    found = dict[str, str]()
    for key, value in facts.items():
        name = f"{above}{key}"
        found |= flat(value, f"{name}.") if isinstance(value, Mapping) else {name: str(value)}
    return found


def reach(address: str) -> None:
    """Connect to a server, or to the proxy before it, since some packages try for hours.

    Raises:
        OSError: nothing answers there.
    """
    parts = urlsplit(address)
    if parts.scheme not in PORTS or not parts.hostname:
        return  # a file or a database
    proxy = getproxies().get(parts.scheme)
    if proxy and not proxy_bypass(parts.hostname):
        parts = urlsplit(proxy)
    place = parts.hostname or "", parts.port or PORTS.get(parts.scheme, PORTS["http"])
    try:
        socket.create_connection(place, SECONDS).close()
    except OSError as error:
        raise OSError(f"{address} does not answer ({error.strerror or error})") from error
