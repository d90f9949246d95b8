"""A function that fails in one of several processes. It imports little, since each imports it."""

import os
import signal
import time

from pipeline.base.errors import PipelineError


def die_of(rank, cause):
    if os.environ["LOCAL_RANK"] == str(rank):
        if cause == "signal":
            os.kill(os.getpid(), signal.SIGKILL)
        raise PipelineError(cause)
    time.sleep(60)
