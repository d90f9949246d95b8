"""`make fuzz` notices a crash and keeps the file that caused it."""

import subprocess
import sys

import pytest
from workspace import ROOT

BODIES = {
    "assert True": 0,
    "assert False": 1,
    "os.abort()": 1,
    "bytearray(1 << 40)": 1,
}


@pytest.mark.parametrize("body, code", BODIES.items())
def test_the_file_of_a_failure_is_kept(tmp_path, body, code):
    test = tmp_path / "test_it.py"
    example = "open(os.environ['FUZZ_FOLDER'] + '/example.wav', 'wb').write(b'RIFF')"
    test.write_text(f"import os\ndef test_it():\n    {example}\n    {body}\n")
    command = [sys.executable, ROOT / "tests/fuzz.py", "--minutes", "0.001", "--kept"]
    done = subprocess.run([*command, tmp_path / "kept", test], capture_output=True, text=True)
    assert done.returncode == code and f"{code} failed" in done.stdout
    kept = list((tmp_path / "kept").glob("*/example.wav"))
    assert [path.read_bytes() for path in kept] == [b"RIFF"] * code
