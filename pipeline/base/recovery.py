"""Repairs at the start of a run: the lock of a killed run, and outputs that were damaged."""

import shutil
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

from pipeline.base.disks import watch_disk
from pipeline.base.errors import PipelineError, first_few
from pipeline.base.live import note_run, was_killed
from pipeline.base.receipts import (
    Receipt,
    discard,
    find_damages,
    find_stale,
    is_inside,
    of_the_future,
    read_receipts,
    set_back,
)
from pipeline.base.records import keep_records, mend_links, without_times

# Options with which Snakemake only shows or cleans something and runs no job.
ASKS = (
    *("dryrun", "touch", "report", "lint", "generate_unit_tests", "containerize", "export_cwl"),
    *("list_rules", "list_target_rules", "list_changes", "list_input_changes", "list_untracked"),
    *("list_params_changes", "summary", "detailed_summary", "archive", "print_compilation"),
    *("dag", "d3dag", "rulegraph", "filegraph", "unlock", "cleanup_metadata", "cleanup_shadow"),
    *("delete_all_output", "delete_temp_output", "container_cleanup_images", "list_conda_envs"),
    *("conda_cleanup_envs", "conda_create_envs_only"),
)


def parsed(arguments: Sequence[str]) -> Namespace:
    """Parse a command line with Snakemake's own parser; the result is empty for other programs."""
    from snakemake.cli import get_argument_parser  # takes a second; Snakemake has imported it

    try:
        with redirect_stderr(StringIO()):
            return get_argument_parser().parse_args(list(arguments))
    except SystemExit:  # a program of the user's called Snakemake, with other arguments
        return Namespace()


def only_asks(options: Namespace) -> bool:
    """Return whether a command runs no job, judged by its options; Snakemake knows it too late."""
    asked = vars(options)
    return asked.get("executor") == "dryrun" or any(asked.get(option) for option in ASKS)


def recover(
    folder: Path,
    logs: Path,
    arguments: Sequence[str],
    local: bool,
    earlier: Callable[[bool], Iterable[str]] = lambda asks: (),
) -> Iterator[str]:
    """Prepare a working folder for a run, unless another run is in it; yield messages.

    Args:
        folder: Snakemake's own folder, `.snakemake`.
        logs: the folder of the logs and receipts of all jobs.
        arguments: of the command line; if it runs no job, the messages say what would be done.
        local: whether jobs run on this machine, and end with their run.
        earlier: moves results of an earlier version; with True it only reports them.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
        PipelineError: Snakemake's records of the results are missing.
    """
    options = parsed(arguments)
    locks, runs, asks = folder / "locks", folder / "runs", only_asks(options)
    mend_links(folder)
    if vars(options).get("unlock"):
        shutil.rmtree(runs, ignore_errors=True)
    if not asks:
        watch_disk(Path.cwd())
        others = note_run(runs, local)
        if alive := [run for run in others if not was_killed(run)]:
            if not any(locks.glob("*.lock")):  # else Snakemake refuses, and says how to unlock
                yield (
                    f"{alive[0]}: another run may go on here, so nothing is mended; if none does,"
                    " remove this file and run again"
                )
            return
        if others:
            yield from _clear(locks, others)
    if any(locks.glob("*.lock")):
        return
    yield from earlier(asks)
    receipts = read_receipts(logs)
    if "db" not in str(vars(options).get("persistence_backend")).lower():
        keep_records(folder, receipts)
    yield from _mend(receipts, logs, asks)


def _mend(receipts: list[Receipt], logs: Path, asks: bool) -> Iterator[str]:
    """Remove damaged and stale outputs, or only report them."""
    if without_times(receipts):
        yield (
            f"{logs.parent}: was copied without the times of its files, so that finished work is"
            " done again; stop, and copy it again with cp -a, to avoid that"
        )
    damages = find_damages(receipts)
    stale = find_stale(receipts, damages)
    wrong = [*(damage.output for damage in damages), *stale]
    if not asks:
        _refuse_outside(wrong)
    fate = f"{'would be' if asks else 'is'} removed, and rebuilt where it is needed"
    for damage in damages:
        yield f"{damage}; {fate}"
    if stale:
        yield f"{stale[0]} and {len(stale) - 1} more: made from outputs that are rebuilt; {fate}"
    for output in () if asks else wrong:
        discard(output)
    if future := of_the_future(receipts):
        # Snakemake would refuse outputs that are made from them now, because these seem older.
        done = "would be" if asks else "are"
        yield f"{logs.parent}: {len(future)} times are of the future; they {done} set back to now"
        if not asks:
            set_back(future)


def _refuse_outside(outputs: list[Path]) -> None:
    """Stop where an output must be rebuilt that only the user may remove.

    Raises:
        PipelineError: names the outputs.
    """
    if outside := [str(output) for output in outputs if not is_inside(output)]:
        raise PipelineError(
            f"{first_few(outside)}: must be rebuilt, but is outside the results folder, behind a"
            " link; remove it and run again"
        )


def _clear(locks: Path, killed: list[Path]) -> Iterator[str]:
    if any(locks.glob("*.lock")):
        shutil.rmtree(locks, ignore_errors=True)
        yield f"{Path.cwd()}: the run before was killed; its lock is removed"
    for run in killed:
        run.unlink(missing_ok=True)
