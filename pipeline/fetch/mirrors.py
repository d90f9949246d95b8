"""Which mirror of a file is asked, when, and how long all of them may fail."""

import logging
import time
from dataclasses import dataclass

from pipeline.base.errors import PipelineError


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds.

    Args:
        connect: for a connection to be made.
        timeout: for the next bytes of a server.
        pause: before a mirror that failed is asked again, doubled with each further failure.
        longest: the longest such pause.
        start: from the start until giving up, if no byte of the file has come by then.
        silence: from the last byte until giving up, once some have come, or where a server
            has said when to come back.
    """

    connect: float = 10.0
    timeout: float = 30.0
    pause: float = 1.0
    longest: float = 30.0
    start: float = 150.0
    silence: float = 600.0


class Failed(Exception):
    """A request that did not bring what it should; the mirror may be asked again.

    Args:
        cause: in a few words.
        wait: seconds for which the server asks to be left alone.
    """

    def __init__(self, cause: str, wait: float = 0.0) -> None:
        super().__init__(f"{cause}, asks for a pause of {wait:.0f} s" if wait else cause)
        self.wait = wait


class Refused(Failed):
    """A mirror that will not serve this file, whenever it is asked."""


@dataclass
class Mirror:
    """One address of a file, and how it has behaved."""

    address: str
    cause: str = "not asked"
    lost: bool = False  # will not serve this file
    whole_only: bool = False  # sends the file from its beginning, whatever is asked
    failures: int = 0  # since the last byte of the file, from wherever that came
    ready: float = 0.0  # time before which it is left alone


class Mirrors:
    """The mirrors of a file: which is asked next and when, with a line in the log for each failure.

    Args:
        name: what to call the file in messages.
        addresses: where it lies; the first that serves is kept as long as it serves.
        patience: how long to wait for what does not come.
    """

    def __init__(self, name: str, addresses: list[str], patience: Patience) -> None:
        self.name, self.patience = name, patience
        self.all = [Mirror(address) for address in addresses]
        self.serving: Mirror | None = None  # the one that sent the last bytes
        self.limit = patience.start  # seconds without a byte after which all is given up
        self.begin()

    def begin(self) -> None:
        """Count the time without a byte from now."""
        self.since = time.monotonic()

    def left(self) -> list[Mirror]:
        """Those that may still serve the file."""
        return [mirror for mirror in self.all if not mirror.lost]

    def next(self) -> Mirror:
        """The mirror to ask next, after a pause where one is due."""
        at = self._earliest()
        time.sleep(max(at - time.monotonic(), 0.0))
        return self._first_at(at)

    def sent(self, mirror: Mirror) -> None:
        """Note that bytes of the file came."""
        self.serving, mirror.cause = mirror, "serves"
        self.limit = self.patience.silence
        for each in self.all:
            each.failures = 0
        self.begin()

    def failed(self, mirror: Mirror, failure: Failed, came: bool) -> None:
        """Note a failure and say what is done next.

        Args:
            mirror: the one that failed.
            failure: why.
            came: whether this request brought any bytes before it failed.

        Raises:
            PipelineError: no mirror is left to ask, or all have failed for too long.
        """
        now = time.monotonic()
        mirror.cause, mirror.lost = str(failure), isinstance(failure, Refused)
        if came:  # the same mirror goes on after a pause, and not another one before it
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
        """Say what comes after a failure, or give up."""
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
        for mirror in left:  # rather all of the file once more than nothing
            mirror.lost = not mirror.whole_only
        self.begin()
        return self._may_go_on()

    def _earliest(self) -> float:
        """Time at which the next mirror may be asked."""
        now = time.monotonic()
        return max(now, min(mirror.ready for mirror in self.left()))

    def _first_at(self, at: float) -> Mirror:
        """The mirror to ask then: rather one that sends parts, rather the last that served."""
        ready = [mirror for mirror in self.left() if mirror.ready <= at]
        return min(ready, key=lambda m: (m.whole_only, m is not self.serving))
