"""The table of corpora to fetch: `catalogue.csv`, overridden by the user's own rows."""

import csv
import io
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints, ValidationError

from pipeline.base.errors import PipelineError
from pipeline.config import SPLITS, Config, DownloadCorpus, Section, Split
from pipeline.config.paths import placed
from pipeline.config.problems import describe_problems

Kind = Literal["speech", "noise", "librimix"]
# Formats of each kind, and formats of which single recordings can be fetched.
FORMATS = {"speech": ("tar",), "noise": ("tar", "zip", "git"), "librimix": ("file",)}
PARTIAL_NOISE = ("zip", "git")
FIRST_ROW = 2  # spreadsheets and editors also count the line of names

Text = Annotated[str, StringConstraints(min_length=1)]
Address = Annotated[str, StringConstraints(pattern=r"^https?://\S+$")]
Addresses = Annotated[
    list[Address], BeforeValidator(lambda cell: cell.split() if isinstance(cell, str) else cell)
]


class Part(Section):
    """One row of the catalogue: a file that is fetched and unpacked as a whole.

    `checksum` is `sha256:…`, `md5:…` or `git:…` (SHA-1 of a git blob). `unpacks_to` is a folder
    below `corpora.download.folder`. Sizes are in bytes. `files`, `hours`, `speakers` and
    `unpacked_bytes` feed estimates only.
    """

    part: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    corpus: Text
    kind: Kind
    format: Literal["tar", "zip", "git", "file"]
    address: Address
    mirrors: Addresses = Field(default=[])
    bytes: int | None = Field(default=None, gt=0)
    checksum: (
        Annotated[
            str,
            StringConstraints(pattern=r"^(sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}|git:[0-9a-f]{40})$"),
        ]
        | None
    ) = None
    unpacked_bytes: int | None = Field(default=None, gt=0)
    files: int | None = Field(default=None, gt=0)
    hours: float | None = Field(default=None, gt=0)
    speakers: int | None = Field(default=None, gt=0)
    unpacks_to: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][^\\:]*$")]
    licence: Text
    attribution: Text

    @property
    def addresses(self) -> list[str]:
        """All addresses, in the order in which they are tried."""
        return [self.address, *self.mirrors]

    @property
    def credit(self) -> str:
        """Corpus, licence and attribution in one line."""
        return f"{self.corpus}: {self.licence} ({self.attribution})"

    def folder(self, root: str | Path) -> Path:
        """Return the folder of the part below the folder of all fetched corpora."""
        return Path(root, self.unpacks_to)


def load_catalogue(extra: str | Path | None = None) -> dict[str, Part]:
    """Read the packaged table, overridden by the user's; name to part, in the table's order.

    A row of a known part adds its addresses before the packaged ones, and replaces the other cells
    by its own where these are not empty. A row of an unknown part adds the part.

    Raises:
        PipelineError: the user's table is missing or has a row that cannot be used.
    """
    rows = dict(_rows(Path(str(files("pipeline.corpora") / "catalogue.csv"))))
    origin: dict[str, str] = {}
    for part, row in _rows(Path(extra)) if extra else ():
        rows[part] = _laid_over(rows[part], row) if part in rows else row
        origin[part] = f"{extra}: {part}"
    return {part: _typed(row, origin.get(part, part)) for part, row in rows.items()}


def find_part(catalogue: dict[str, Part], name: str, kinds: Iterable[Kind], key: str) -> Part:
    """Return the part of a name.

    Raises:
        PipelineError: no part has this name and kind; the message names `key`.
    """
    kinds = list(kinds)
    if name in catalogue and catalogue[name].kind in kinds:
        return catalogue[name]
    allowed = ", ".join(part for part, row in catalogue.items() if row.kind in kinds)
    raise PipelineError(
        f"config: {key}: '{name}' is not in the catalogue; allowed: {allowed};"
        " add others with corpora.download.catalogue"
    )


def speech_parts(settings: DownloadCorpus, catalogue: dict[str, Part]) -> list[Part]:
    """Return the parts of the speech, each once, train first."""
    names = dict.fromkeys(
        (name, f"corpora.download.speech.subsets.{split}")
        for split in SPLITS
        for name in getattr(settings.speech.subsets, split)
    )
    found = {name: find_part(catalogue, name, ["speech"], key) for name, key in names}
    return list(found.values())


def noise_part(settings: DownloadCorpus, catalogue: dict[str, Part]) -> Part:
    """Return the part of the noise."""
    return find_part(catalogue, settings.noise.corpus, ["noise"], "corpora.download.noise.corpus")


def check_download(cfg: Config) -> None:
    """Refuse selections that the catalogue does not hold or support, before anything runs.

    Raises:
        PipelineError: an unknown part, a bad catalogue, or a selection its format cannot give.
    """
    settings = cfg.corpora.download
    catalogue = load_catalogue(settings.catalogue)
    if cfg.mixtures.kind == "librimix" and cfg.mixtures.librimix.metadata is None:
        for split in SPLITS:
            librimix_parts(cfg, split)
    if cfg.corpora.kind != "download":
        return
    noise = noise_part(settings, catalogue)
    if settings.noise.max_files and noise.format not in PARTIAL_NOISE:
        raise PipelineError(
            f"config: corpora.download.noise.max_files: {noise.part} is a {noise.format}, of which"
            " no single files can be fetched; leave it out to take all"
        )
    _check_folders([*speech_parts(settings, catalogue), noise])


def _check_folders(parts: list[Part]) -> None:
    """Refuse two parts that would be unpacked into the same folder."""
    holders: dict[PurePosixPath, str] = {}
    for part in parts:
        other = holders.setdefault(PurePosixPath(part.unpacks_to), part.part)
        if other != part.part:
            raise PipelineError(
                f"config: corpora.download: {other} and {part.part} both lie in"
                f" {part.unpacks_to}; give one of them another unpacks_to in the catalogue"
            )


def selection_of(part: Part, settings: DownloadCorpus, seed: int) -> dict[str, int | None]:
    """Return the settings that determine the files of a part; only they make its job run again."""
    if part.kind == "speech":
        return settings.speech.model_dump(include={"max_speakers", "max_utterances"})
    if part.kind == "noise" and settings.noise.max_files:
        return {"max_files": settings.noise.max_files, "seed": seed}
    return {}


def parts_in_use(cfg: Config) -> list[str]:
    """Return the parts of speech and noise that a run fetches; none for demo and local."""
    if cfg.corpora.kind != "download":
        return []
    settings = cfg.corpora.download
    catalogue = load_catalogue(settings.catalogue)
    return [
        part.part for part in (*speech_parts(settings, catalogue), noise_part(settings, catalogue))
    ]


def librimix_parts(cfg: Config, split: Split) -> list[str]:
    """Return the parts with LibriMix's metadata of a split.

    Raises:
        PipelineError: the catalogue has no such subset or number of speakers.
    """
    catalogue = load_catalogue(cfg.corpora.download.catalogue)
    subsets = getattr(cfg.mixtures.librimix.subsets, split)
    names = [f"libri{cfg.mixtures.most_speakers}mix_{subset}" for subset in subsets]
    for name in names:
        find_part(catalogue, name, ["librimix"], "mixtures.librimix.subsets")
    return names


def licences(cfg: Config) -> list[str]:
    """Return licence and attribution of each corpus in use; none for demo and local."""
    if cfg.corpora.kind != "download":
        return []
    catalogue = load_catalogue(cfg.corpora.download.catalogue)
    return list(dict.fromkeys(catalogue[part].credit for part in parts_in_use(cfg)))


def _rows(path: Path) -> Iterable[tuple[str, dict[str, str]]]:
    """Name and cells of every row, without empty cells."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise PipelineError(
            f"{placed(path)}: no such file; check corpora.download.catalogue"
        ) from error
    except UnicodeDecodeError as error:
        raise PipelineError(f"{path}: is not UTF-8 text; save it as UTF-8") from error
    for number, row in enumerate(csv.DictReader(io.StringIO(text, newline="")), FIRST_ROW):
        cells = {
            key: value.strip() for key, value in row.items() if key and value and value.strip()
        }
        if None in row:
            raise PipelineError(
                f"{path}: row '{row.get('part')}' has more cells than the header; put a cell that"
                " holds a comma in quotes, or remove what is too much"
            )
        if "part" not in cells:
            raise PipelineError(
                f"{path}: row {number} has no part; name one in it, or remove the row"
            )
        yield cells["part"], cells


def _laid_over(base: dict[str, str], over: dict[str, str]) -> dict[str, str]:
    addresses = [
        address
        for row in (over, base)
        for key in ("address", "mirrors")
        for address in row.get(key, "").split()
    ]
    first, *rest = dict.fromkeys(addresses)
    return base | over | {"address": first, "mirrors": " ".join(rest)}


def _typed(row: dict[str, str], where: str) -> Part:
    try:
        part = Part.model_validate(row)
    except ValidationError as error:
        problems = "; ".join(describe_problems(error, Part))
        raise PipelineError(f"{where}: {problems}".replace("configuration", "row")) from error
    if ".." in PurePosixPath(part.unpacks_to).parts:
        raise PipelineError(f"{where}: unpacks_to: must lie below the download folder")
    if part.format not in FORMATS[part.kind]:
        allowed = " or ".join(FORMATS[part.kind])
        raise PipelineError(f"{where}: format: {part.kind} must be {allowed}, not {part.format}")
    return part
