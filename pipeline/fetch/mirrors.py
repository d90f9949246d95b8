"""Choose the mirror of a file to ask next, the pauses, and when to give up."""

import logging
import time
from dataclasses import dataclass

from pipeline.base.errors import PipelineError


@dataclass(frozen=True)
class Patience:
    """Waiting times in seconds.

    Args:
        connect: for a connection.
        timeout: for the next bytes of a server.
        pause: before a failed mirror is asked again; it doubles with each further failure.
        longest: the longest such pause.
        start: from the start until giving up, if no byte of the file has arrived by then.
        silence: from the last byte until giving up, if some have arrived, or if a server has
            said when to come back.
    """

    connect: float = 10.0
    timeout: float = 30.0
    pause: float = 1.0
    longest: float = 30.0
    start: float = 150.0
    silence: float = 600.0


class Failed(Exception):
    """A request failed; the mirror may be asked again.

    Args:
        cause: in a few words.
        wait: seconds of pause that the server asks for.
    """

    def __init__(self, cause: str, wait: float = 0.0) -> None:
        super().__init__(f"{cause}, asks for a pause of {wait:.0f} s" if wait else cause)
        self.wait = wait


class Refused(Failed):
    """A mirror that will never serve this file."""


@dataclass
class Mirror:
    """One address of a file, and its behaviour so far."""

    address: str
    cause: str = "not asked"
    lost: bool = False  # will not serve this file
    whole_only: bool = False  # sends the file from its beginning for any range
    failures: int = 0  # since the last byte of the file from any mirror
    ready: float = 0.0  # earliest time of the next request


class Mirrors:
    """The mirrors of a file, with the next one and its time; each failure is logged.

    Args:
        name: the name of the file in messages.
        addresses: of the file; the first one that serves is kept as long as it serves.
        patience: the waiting times.
    """

    def __init__(self, name: str, addresses: list[str], patience: Patience) -> None:
        self.name, self.patience = name, patience
        self.all = [Mirror(address) for address in addresses]
        self.serving: Mirror | None = None  # the mirror that sent the last bytes
        self.limit = patience.start  # seconds without a byte until giving up
        self.begin()

    def begin(self) -> None:
        """Start to measure the time without a byte."""
        self.since = time.monotonic()

    def left(self) -> list[Mirror]:
        """Return the mirrors that may still serve the file."""
        return [mirror for mirror in self.all if not mirror.lost]

    def next(self) -> Mirror:
        """Return the mirror to ask next, after a pause if one is due."""
        at = self._earliest()
        time.sleep(max(at - time.monotonic(), 0.0))
        return self._first_at(at)

    def sent(self, mirror: Mirror) -> None:
        """Record that bytes of the file arrived."""
        self.serving, mirror.cause = mirror, "serves"
        self.limit = self.patience.silence
        for each in self.all:
            each.failures = 0
        self.begin()

    def failed(self, mirror: Mirror, failure: Failed, came: bool) -> None:
        """Record a failure and log the next step.

        Args:
            mirror: the one that failed.
            failure: the reason.
            came: whether this request brought any bytes before it failed.

        Raises:
            PipelineError: no mirror is left to ask, or all have failed for too long.
        """
        now = time.monotonic()
        mirror.cause, mirror.lost = str(failure), isinstance(failure, Refused)
        if came:  # the same mirror continues after a pause, before any other one
            for each in self.all:
                each.ready = max(each.ready, now + self.patience.pause)
        else:
            pause = min(self.patience.pause * 2**mirror.failures, self.patience.longest)
            mirror.ready = now + max(pause, failure.wait)
            mirror.failures += 1
        if failure.wait:
            self.limit = self.patience.silence
        self._go_on(mirror, now)

    def _go_on(self, failed: Mirror, now: float) -> None:
        """Log the next step after a failure, or give up."""
        what = f"{self.name}: {failed.address}: {failed.cause}"
        if not self._may_go_on():
            logging.warning("%s; giving up", what)
            causes = "; ".join(f"{mirror.address}: {mirror.cause}" for mirror in self.all)
            raise PipelineError(
                f"{self.name}: cannot be fetched ({causes}); check the network, or add a mirror"
                " with corpora.download.catalogue, and run again to go on from here"
            )
        at = self._earliest()
        following = self._first_at(at)
        name = "the same" if following is failed else following.address
        when = f"in {max(round(at - now), 1)} s" if at - now >= 0.5 else "at once"
        logging.warning("%s; next is %s, %s", what, name, when)

    def _may_go_on(self) -> bool:
        """Whether a mirror is left that may be asked before the time is up."""
        left = self.left()
        if left and self._earliest() <= self.since + self.limit:
            return True
        whole = [mirror for mirror in left if mirror.whole_only]
        if not 0 < len(whole) < len(left):
            return False
        for mirror in left:  # better the whole file once more than nothing
            mirror.lost = not mirror.whole_only
        self.begin()
        return self._may_go_on()

    def _earliest(self) -> float:
        """Time at which the next mirror may be asked."""
        now = time.monotonic()
        return max(now, min(mirror.ready for mirror in self.left()))

    def _first_at(self, at: float) -> Mirror:
        """The mirror to ask at a time: rather one that sends ranges, or the last that served."""
        ready = [mirror for mirror in self.left() if mirror.ready <= at]
        return min(ready, key=lambda m: (m.whole_only, m is not self.serving))
