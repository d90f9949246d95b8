"""Pack the report: a ZIP of its folder, and one HTML file with everything inside."""

import base64
import html
import mimetypes
import re
import zipfile
from pathlib import Path

from pipeline.base.files import replacing, write_text

# Attributes of the page that name files in its folder; the site writes no others that load files.
REFERENCE = re.compile(r'(?<=[ \n])(src|href)="((?:assets|figures|tables)/[^"]+)"')
# Fixed here, since the machine's table of types may lack them.
TYPES = {
    ".csv": "text/csv",
    ".flac": "audio/flac",
    ".js": "text/javascript",
    ".ogg": "audio/ogg",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
}


def write_zip(site: Path, out: Path) -> None:
    """Pack the folder of the report; the same files give the same bytes."""
    with replacing(out) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for path in sorted(path for path in site.rglob("*") if path.is_file()):
            name = f"{out.stem}/{path.relative_to(site).as_posix()}"
            # The earliest time that a ZIP can hold: the files' own times would differ in each run.
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())


def write_single_file(index: Path, out: Path) -> None:
    """Embed all files to which the page refers, as `data:` URLs (RFC 2397)."""

    def embedded(reference: re.Match[str]) -> str:
        attribute, name = reference[1], html.unescape(reference[2])
        return f'{attribute}="{_data(index.parent / name)}"'

    write_text(out, REFERENCE.sub(embedded, index.read_text(encoding="utf-8")))


def _data(path: Path) -> str:
    kind = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0]
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"
