"""The command `dts`: trained networks on recordings of one's own, and what there is of them."""

import argparse
import io
import os
import signal
import sys
from typing import NoReturn

from pipeline.base.errors import PipelineError
from pipeline.base.jobs import cause_of

FAILED, USAGE, INTERRUPTED = 1, 2, 130
"""Exit codes: some files failed and the rest is done, a wrong call, and Ctrl-C."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command; `arguments` are those of the program unless given."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # temporary files go
    for stream in (sys.stdout, sys.stderr):  # names of files may hold any bytes
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="surrogateescape")
    given = parser().parse_args(arguments)
    try:
        sys.exit(given.run(given))
    except PipelineError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(USAGE)
    except KeyboardInterrupt:
        print("interrupted; no unfinished file is left", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # who reads the names of outputs has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        cause = cause_of(error)
        if not cause:
            raise
        print(f"error: {cause}", file=sys.stderr)
        sys.exit(FAILED)


def parser() -> argparse.ArgumentParser:
    """What the command takes."""
    whole = argparse.ArgumentParser(
        prog="dts", description="Denoise or separate recordings with trained networks."
    )
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    denoise = commands.add_parser("denoise", help="take the noise away: NAME.denoised.wav")
    _add_task(denoise, "denoise")
    denoise.add_argument(
        "--wet",
        type=_share,
        default=1.0,
        metavar="0-1",
        help="share of the denoised signal in the output; the rest is the recording",
    )
    separate = commands.add_parser("separate", help="a file for each voice: NAME.speaker-1.wav")
    _add_task(separate, "separate")
    separate.set_defaults(wet=1.0)
    models = commands.add_parser("models", help="the networks that can be named")
    models.add_argument("--json", action="store_true", help="as JSON")
    models.set_defaults(run=_models)
    info = commands.add_parser("info", help="what a recording or a weights file is")
    info.add_argument("file", metavar="FILE")
    info.add_argument("--json", action="store_true", help="as JSON")
    info.set_defaults(run=_info)
    report = commands.add_parser("report", help="where the report of a run is")
    report.add_argument("results", nargs="?", default="results", help="its results folder")
    report.set_defaults(run=_report)
    return whole


def _add_task(sub: argparse.ArgumentParser, task: str) -> None:
    from pipeline.audio.encoding import FORMATS

    sub.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="files, folders, patterns in quotes, or - for a WAV on standard input",
    )
    sub.add_argument("-m", "--model", help="a name of dts models, a folder, or a weights file")
    sub.add_argument("-o", "--out", metavar="DIR", help="folder of the outputs; default: beside")
    sub.add_argument("--format", choices=FORMATS, default="wav")
    sub.add_argument("--subtype", type=str.upper, help="coding of samples, as PCM_24 or FLOAT")
    sub.add_argument("--noise-file", action="store_true", help="write what was taken away, too")
    sub.add_argument("--channels", action="store_true", help="process each channel by itself")
    sub.add_argument("--overwrite", action="store_true", help="write over outputs that are there")
    sub.add_argument("--stream", action="store_true", help="as live: from the past alone")
    sub.add_argument("--dry-run", action="store_true", help="say what would be written")
    sub.add_argument("--json", action="store_true", help="facts, levels and times as JSON")
    sub.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    sub.add_argument("--threads", type=_count, default=available(), metavar="N", help="of the CPU")
    sub.set_defaults(run=_process, task=task)


def available() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 1024:
        raise argparse.ArgumentTypeError(f"{text} is not between 1 and 1024")
    return value


def _process(given: argparse.Namespace) -> int:
    from pipeline.app.process import process

    return process(given)


def _models(given: argparse.Namespace) -> int:
    from pipeline.app.listing import show_models

    show_models(given.json)
    return 0


def _info(given: argparse.Namespace) -> int:
    from pipeline.app.listing import show_file

    show_file(given.file, given.json)
    return 0


def _report(given: argparse.Namespace) -> int:
    from pipeline.app.listing import show_report

    show_report(given.results)
    return 0
