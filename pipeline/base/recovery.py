"""What is mended as a run starts: the lock of a killed one, and outputs damaged since."""

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

# Options of Snakemake that only ask or tidy up, rather than run.
ASKS = (
    *("dryrun", "touch", "report", "lint", "generate_unit_tests", "containerize", "export_cwl"),
    *("list_rules", "list_target_rules", "list_changes", "list_input_changes", "list_untracked"),
    *("list_params_changes", "summary", "detailed_summary", "archive", "print_compilation"),
    *("dag", "d3dag", "rulegraph", "filegraph", "unlock", "cleanup_metadata", "cleanup_shadow"),
    *("delete_all_output", "delete_temp_output", "container_cleanup_images", "list_conda_envs"),
    *("conda_cleanup_envs", "conda_create_envs_only"),
)


def parsed(arguments: Sequence[str]) -> Namespace:
    """What Snakemake's own parser makes of a command line; nothing of one that is not its."""
    from snakemake.cli import get_argument_parser  # takes a second, and Snakemake has it already

    try:
        with redirect_stderr(StringIO()):
            return get_argument_parser().parse_args(list(arguments))
    except SystemExit:  # Snakemake was called by a program of the user's, with other arguments
        return Namespace()


def only_asks(options: Namespace) -> bool:
    """Whether a command runs nothing, as far as its options tell; Snakemake knows it too late."""
    asked = vars(options)
    return asked.get("executor") == "dryrun" or any(asked.get(option) for option in ASKS)


def recover(
    folder: Path,
    logs: Path,
    arguments: Sequence[str],
    local: bool,
    earlier: Callable[[bool], Iterable[str]] = lambda asks: (),
) -> Iterator[str]:
    """Make a working folder fit for a run, unless another is in it; say what is done.

    Args:
        folder: Snakemake's own, `.snakemake`.
        logs: that of the logs and receipts of all jobs.
        arguments: of the command line; where it only asks, what would be done is said.
        local: whether jobs run on this machine, and end with their run.
        earlier: moves results of an earlier version, or only says it where a command asks.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
        PipelineError: the results are without Snakemake's records.
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
    """Remove what is damaged or stale, or only say it."""
    if without_times(receipts):
        yield (
            f"{logs.parent}: was copied without the times of its files, so that finished work is"
            " done again; stop, and copy it anew with cp -a, to avoid that"
        )
    damages = find_damages(receipts)
    stale = find_stale(receipts, damages)
    wrong = [*(damage.output for damage in damages), *stale]
    if not asks:
        _refuse_outside(wrong)
    fate = f"{'would be' if asks else 'is'} removed, and made again where it is needed"
    for damage in damages:
        yield f"{damage}; {fate}"
    if stale:
        yield f"{stale[0]} and {len(stale) - 1} more: made of what is to be made again; {fate}"
    for output in () if asks else wrong:
        discard(output)
    if future := of_the_future(receipts):
        # Snakemake refuses what is made of them now, for it seems older.
        done = "would be" if asks else "are"
        yield f"{logs.parent}: {len(future)} times are of the future; they {done} set back to now"
        if not asks:
            set_back(future)


def _refuse_outside(outputs: list[Path]) -> None:
    """Stop where something is to be made again that only the user may remove.

    Raises:
        PipelineError: names it.
    """
    if outside := [str(output) for output in outputs if not is_inside(output)]:
        raise PipelineError(
            f"{first_few(outside)}: to be made again, and outside the results folder, behind a"
            " link; remove that and run again"
        )


def _clear(locks: Path, killed: list[Path]) -> Iterator[str]:
    if any(locks.glob("*.lock")):
        shutil.rmtree(locks, ignore_errors=True)
        yield f"{Path.cwd()}: the run before was killed; its lock is removed"
    for run in killed:
        run.unlink(missing_ok=True)
