"""Results in the layout of version 0, moved to where they are looked for now.

There a denoiser was `models/denoisers/<name>`, a separator `models/separators/<name>/<trained>`;
estimates were `estimates/denoised/<name>/<split>` and
`estimates/separated/<name>/<trained>/<tested>`.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from pipeline.base.receipts import SUFFIX

OLD = ("models/denoisers", "models/separators", "estimates/denoised", "estimates/separated")


def move_earlier(results: Path, asks: bool) -> Iterator[str]:
    """Move models and estimates of an earlier version; scores are made again, in minutes.

    The times of all files stay as they are, so that nothing is trained again.

    Args:
        results: folder of the results.
        asks: whether the command runs nothing: then only what would be done is said.

    Yields:
        A line, if there are such results.
    """
    moves = list(_moves(results))
    if not moves:
        return
    done = "would be" if asks else "are"
    yield (
        f"{results}: of an earlier version; {len(moves)} folders of models and estimates {done}"
        " moved to their new places, and scores are made again"
    )
    if asks:
        return
    for old, new in moves:
        if old.parent.parent.name == "denoised":
            _name_by_target(old)
        new.parent.mkdir(parents=True, exist_ok=True)
        old.rename(new)
    for stage in ("training", "inference", "evaluation"):  # they tell of the old places
        for receipt in (results / "logs" / stage).glob(f"*{SUFFIX}"):
            receipt.unlink()
    for folder in (*map(results.joinpath, OLD), results / "scores"):
        shutil.rmtree(folder, ignore_errors=True)


def _moves(results: Path) -> Iterator[tuple[Path, Path]]:
    """Old and new place of every folder that keeps its content."""
    models, estimates = results / "models", results / "estimates"
    for path in sorted(models.glob("denoisers/*")):
        yield path, models / "denoise" / path.name / "noisy/0"
    for path in sorted(models.glob("separators/*/*")):
        yield path, models / "separate" / path.parent.name / path.name / "0"
    for path in sorted(estimates.glob("denoised/*/*")):
        yield path, estimates / "denoise" / path.parent.name / "noisy/0/noisy" / path.name
    for path in sorted(estimates.glob("separated/*/*/*")):
        name, trained, tested = path.parts[-3:]
        yield path, estimates / "separate" / name / trained / "0" / tested / "test"


def _name_by_target(split: Path) -> None:
    """Let estimates of a denoiser have the name of their target, in folders and manifests."""
    for folder in sorted(split.glob("*/denoised")):
        folder.rename(folder.with_name("mix_clean"))
    for manifest in sorted(split.rglob("estimates.csv")):
        times = manifest.stat()
        text = manifest.read_text(encoding="utf-8").replace("denoised_path", "mix_clean_path", 1)
        text = text.replace("denoised/", "mix_clean/")
        manifest.write_text(text, encoding="utf-8")
        os.utime(manifest, ns=(times.st_atime_ns, times.st_mtime_ns))
