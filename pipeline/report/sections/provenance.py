"""The section of origin and cost: command, code, settings, files, corpora, time and memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from pipeline.base.files import read_json
from pipeline.base.provenance import package_versions, sha256
from pipeline.config.corpora import LocalCorpus
from pipeline.report.figures.dag import draw_dag
from pipeline.report.names import metric_of
from pipeline.report.run import Run
from pipeline.report.site import Site
from pipeline.report.systems import MIXTURE_AS_DENOISED, denoiser_of, is_oracle, system
from pipeline.report.tables import Cell, Row, Table, plain

TITLE = "Provenance"
LICENCE_LETTERS = 20_000  # of a text; longer ones are cut


def content(run: Run, site: Site) -> dict[str, Any]:
    """Return all known facts of the run; missing ones are left out."""
    facts = read_json(run.inputs.run) if run.inputs.run.exists() else {}
    draw_dag(facts.get("jobs", {}), facts.get("edges", []), site.figure("dag"))
    tables = {
        "times": time_table(rule_times(run.inputs.benchmarks)),
        "weights": weights_table(run.inputs.weights),
        "undefined": undefined_table(run.scores),
    }
    return {
        "command": facts.get("command"),
        "facts": list(in_words(facts)),
        "graph": bool(facts.get("edges")),
        "licences": run.inputs.licences or corpus_in_words(run.config.get("corpora", {})),
        "licence_texts": dict(licence_texts(run.config.get("corpora", {}))),
        "config_text": yaml.safe_dump(run.config, sort_keys=False, allow_unicode=True),
        "versions": site.table("versions", version_table(package_versions())),
        **{name: table and site.table(name, table) for name, table in tables.items()},
    }


def in_words(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the facts that `pipeline.base.provenance` recorded, each with a heading."""
    if "started" in facts:
        yield "Started", facts["started"].replace("T", " ").replace("+00:00", " UTC")
    if "pending" in facts:
        jobs, pending = sum(facts["jobs"].values()), facts["pending"]
        yield "Jobs", f"{pending} of {jobs}; the results of all others were there"
    if git := facts.get("git"):
        changes = "with changes that are not committed" if git["modified"] else "unchanged"
        yield "Revision", f"{git['revision']}, {changes}"
    if machine := facts.get("machine"):
        size = f"{machine['cores']} cores, {machine['memory_gib']:g} GiB of memory"
        yield "Started on", f"{machine['cpu']}, {size}"


def corpus_in_words(corpora: dict[str, Any]) -> list[str]:
    """Return the known rights in corpora that were not downloaded."""
    if corpora.get("kind") == "demo":
        return [
            "Demo corpus: made by this run. Speech is synthesised by espeak-ng (a program under"
            " GPL-3), noise is computed; no recording of a person is in it."
        ]
    return [f"{folder}: see the licence that came with it." for folder in local_folders(corpora)]


def licence_texts(corpora: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield path and text of the licences in the folders of local corpora."""
    for folder in local_folders(corpora):
        # A folder of licences, as in REUSE, is not a text.
        for path in sorted(filter(Path.is_file, Path(folder).glob("LICEN[CS]E*"))):
            yield str(path), path.read_text(encoding="utf-8", errors="replace")[:LICENCE_LETTERS]


def local_folders(corpora: dict[str, Any]) -> list[str]:
    """Return the corpora's folders if they are the user's own."""
    if corpora.get("kind") != "local":
        return []
    local = LocalCorpus(**corpora["local"])
    return [*local.speech, *local.noise]


def rule_times(benchmarks: Path) -> pd.DataFrame:
    """Return wall time and memory of every job: `rule, s, max_rss` (in MB).

    Args:
        benchmarks: folder with a subfolder of Snakemake's TSV files per rule; it may be missing.
    """
    # Read as text: pandas would take seconds for thousands of files.
    rows = []
    for path in sorted(benchmarks.glob("*/*.tsv")):
        lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
        rows += [
            {"rule": path.parent.name} | dict(zip(lines[0], v, strict=False)) for v in lines[1:]
        ]
    table = pd.DataFrame(rows, columns=["rule", "s", "max_rss"])
    numbers = {key: pd.to_numeric(table[key], errors="coerce") for key in ("s", "max_rss")}
    return table.assign(**numbers)


def time_table(times: pd.DataFrame) -> Table | None:
    """Return the time and memory of each rule, the longest first."""
    groups = times.groupby("rule", sort=False)
    total = groups["s"].agg(["size", "sum", "median"]).assign(peak=groups["max_rss"].max())
    rows = [
        Row(str(rule), [plain(size), plain(seconds, 1), plain(median, 1), plain(peak)])
        for rule, size, seconds, median, peak in total.sort_values(
            "sum", ascending=False, kind="stable"
        ).itertuples()
    ]
    columns = ["jobs", "total (s)", "median (s)", "largest memory (MB)"]
    return (
        Table("Wall time and memory of each rule's jobs", "rule", columns, rows) if rows else None
    )


def weights_table(weights: dict[str, Path]) -> Table | None:
    """Return checksums of the weights files."""
    there = {name: path for name, path in weights.items() if path.exists()}
    rows = [
        Row(name, [plain(path.stat().st_size / 1e6, 2), Cell(sha256(path))])
        for name, path in there.items()
    ]
    return Table("Weights files", "model", ["size (MB)", "SHA-256"], rows) if rows else None


def version_table(versions: dict[str, str]) -> Table:
    """Return the versions of packages that are installed when the report is made."""
    rows = [Row(name, [Cell(version)]) for name, version in versions.items()]
    return Table("As installed when the report was made", "package", ["version"], rows)


def undefined_table(scores: pd.DataFrame) -> Table | None:
    """Return the number of undefined values of each metric, by kind of signal and reason."""
    kinds = scores["system"].map({name: kind_of(name) for name in scores["system"].unique()})
    reasons = scores["undefined"] if "undefined" in scores else pd.Series(None, scores.index)
    keys = [scores["metric"], kinds, reasons.fillna("not recorded")]
    empty = scores["value"].isna()
    missing = empty.groupby(keys, sort=False).sum()
    of_all = scores.groupby([scores["metric"], kinds], sort=False).size()
    rows = [
        Row(
            metric_of(metric).label,
            [Cell(kind), Cell(reason, kind="words"), plain(count), plain(of_all[metric, kind])],
        )
        for (metric, kind, reason), count in missing[missing > 0].items()
    ]
    columns = ["signals", "reason", "values", "of"]
    return Table("Values that could not be computed", "metric", columns, rows) if rows else None


def kind_of(name: str) -> str:
    """Return the kind of signal that is scored under the name of a system."""
    if parsed := system(name):
        return "separated, oracle" if parsed.oracle else "separated"
    if denoiser_of(name):
        return "denoised mixture"
    if is_oracle(name):
        return "separated, oracle"
    return "mixture, all speakers" if name == MIXTURE_AS_DENOISED else "mixture"
