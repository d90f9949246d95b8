"""Speech synthesis with espeak-ng through ctypes, in a fresh process for each job.

The same text twice in one process differs in single samples; a fresh process with a fixed
random seed gives identical bits. Therefore `speak` starts this module as a program, and only
modules that load quickly are imported at its top.

A job is JSON on standard input: `library`, `seed`, and `items`, each the fields of a `Line`.
Standard output: one JSON line with the sample rate in Hz and the number of samples of each
item, then all the samples as native 16-bit integers. On failure: one line on standard error.
"""

import ctypes
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.base.errors import PipelineError, in_short

if TYPE_CHECKING:
    from pipeline.audio import Samples

SAMPLE_RATE = 16000  # Hz, of the output of `speak`
ACCENTS = ("en", "en-US", "en-GB-x-rp", "en-GB-scotland", "en-GB-x-gbclan", "en-029")

# Names and values of espeak-ng/speak_lib.h.
AUDIO_OUTPUT_SYNCHRONOUS = 2
INITIALIZE_DONT_EXIT = 0x8000
CHARS_UTF8 = 1
RATE, VOLUME, PITCH = 1, 2, 3

# At espeak's own 100 a third of the voices clip inside the library.
UNCLIPPED_VOLUME = 50

_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class Line(NamedTuple):
    """One text to speak: pitch is 0…99, with 50 the voice's own, rate in words per minute."""

    accent: str
    variant: str
    pitch: int
    rate: int
    text: str


def sentences() -> list[str]:
    """Return the sentences that the speakers of the demo read, in the order of the file."""
    return Path(__file__).with_name("demo_text.txt").read_text(encoding="utf-8").splitlines()


def speak(lines: list[Line], seed: int) -> "list[Samples]":
    """Speak each line in a fresh process: a list of `[time]` at 16 kHz, in -1…1.

    Raises:
        PipelineError: espeakng-loader is missing, or espeak-ng fails.
    """
    # Imported here, since the child must start quickly.
    import numpy as np

    from pipeline.audio import resample

    rate, sizes, data = _run({"seed": seed, "items": [line._asdict() for line in lines]})
    spoken = np.frombuffer(data, dtype=np.int16).astype(np.float32) / np.float32(32768)
    pieces = np.split(spoken, np.cumsum(sizes)[:-1])
    return [resample(piece, rate, SAMPLE_RATE) for piece in pieces]


def loader() -> Any:
    """Return the module `espeakng_loader`, which knows the paths of the library and its data.

    Raises:
        PipelineError: it is not installed.
    """
    try:
        return importlib.import_module("espeakng_loader")
    except ImportError as error:
        raise PipelineError(
            "corpora.kind is demo: the package espeakng-loader is missing;"
            " pip install -e '.[demo]', or set corpora.kind to local"
        ) from error


def _run(job: dict[str, Any]) -> tuple[int, list[int], bytes]:
    """Do a job in a child process: sample rate in Hz, samples of each item, and all samples."""
    paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pipeline.corpora.espeak"],
        input=json.dumps({"library": loader().get_library_path(), **job}).encode(),
        capture_output=True,
        # espeak-ng truncates long paths to its data, so it finds them in the working folder.
        cwd=Path(loader().get_data_path()).parent,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
    )
    if done.returncode:
        reason = (done.stderr.decode(errors="replace").strip() or "killed").splitlines()[-1]
        raise PipelineError(
            f"corpora.kind is demo: espeak-ng fails ({reason}); reinstall espeakng-loader"
        )
    head, _, data = done.stdout.partition(b"\n")
    facts = json.loads(head)
    return facts["sample_rate"], facts["samples"], data


def _start(library: str, seed: int) -> tuple[ctypes.CDLL, int]:
    """Load the library and set its seed; return it with its sample rate in Hz."""
    espeak = ctypes.CDLL(library)
    rate = espeak.espeak_Initialize(AUDIO_OUTPUT_SYNCHRONOUS, 0, b".", INITIALIZE_DONT_EXIT)
    if rate <= 0:
        raise RuntimeError("it does not find its data")
    espeak.espeak_ng_SetRandSeed(ctypes.c_long(seed))
    return espeak, rate


def _say(espeak: ctypes.CDLL, line: Line) -> bytes:
    """Native 16-bit samples of one line."""
    voice = f"gmw/{line.accent}+{line.variant}"
    _check(espeak.espeak_SetVoiceByName(voice.encode()), f"no voice {voice}")
    for parameter, value in ((VOLUME, UNCLIPPED_VOLUME), (PITCH, line.pitch), (RATE, line.rate)):
        _check(espeak.espeak_SetParameter(parameter, value, 0), f"parameter {parameter} refused")
    spoken = bytearray()
    callback = _collector(spoken)
    espeak.espeak_SetSynthCallback(callback)
    words = line.text.encode()
    size = ctypes.c_size_t(len(words) + 1)
    status = espeak.espeak_Synth(words, size, 0, 0, 0, CHARS_UTF8, None, None)
    _check(status, f"cannot say '{line.text}'")
    return bytes(spoken)


def _collector(spoken: bytearray) -> Callable[..., int]:
    """A C callback that appends every block of samples to `spoken`."""

    @_Callback
    def collect(samples: Any, count: int, _: Any) -> int:
        if samples and count > 0:
            spoken.extend(ctypes.string_at(samples, 2 * count))
        return 0  # continue

    return collect


def _check(status: int, what: str) -> None:
    if status != 0:
        raise RuntimeError(f"{what}, status {status}")


def _main() -> None:
    """Do the job on standard input."""
    job = json.load(sys.stdin)
    espeak, sample_rate = _start(job["library"], job["seed"])
    speech = [_say(espeak, Line(**item)) for item in job["items"]]
    head = {"sample_rate": sample_rate, "samples": [len(said) // 2 for said in speech]}
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + b"".join(speech))


if __name__ == "__main__":
    try:
        _main()
    except (RuntimeError, OSError) as error:
        sys.exit(in_short(error))
