import pytest
import torch
from malice import Malice

from pipeline.base.errors import in_short

ADVICE = "Do \x1b[1mthose steps only if you trust it\x1b[0m. See below.\n\tWeightsUnpickler error: "


@pytest.mark.parametrize(
    "message, words",
    [
        ("", "ValueError"),
        ("short", "short"),
        ("Ends here. And advice follows.", "Ends here"),
        ("one; two", "one"),
        ("first line:\nsecond line", "first line"),
        ("\n\nafter empty lines\n", "after empty lines"),
        ("\x1b[31;1mred\x1b[0m", "red"),
        ("a file.wav of 3.5 kB", "a file.wav of 3.5 kB"),
        ("[Errno 111] Connection refused", "Connection refused"),
        ("<urlopen error [Errno -2] Name or service not known>", "Name or service not known"),
        (ADVICE + "Unsupported class a.B. Please use `x`.", "Unsupported class a.B"),
        (ADVICE + "\n\nUnsupported operand 60\n\nCheck the docs.", "Unsupported operand 60"),
        ("x" * 500, "x" * 119 + "…"),
    ],
)
def test_a_message_of_a_library_in_short(message, words):
    assert in_short(ValueError(message)) == words


@pytest.mark.parametrize(
    "value, words",
    [(Malice("x"), "Trying to load unsupported GLOBAL"), (print, "Unsupported global")],
)
def test_torch_on_code(tmp_path, value, words):
    torch.save(value, tmp_path / "m.pth")
    with pytest.raises(Exception, match="Weights only load failed") as error:
        torch.load(tmp_path / "m.pth", weights_only=True)
    assert in_short(error.value).startswith(words)


def test_torch_on_a_damaged_file(tmp_path):
    (tmp_path / "m.pth").write_bytes(b"<html>not here</html>")
    with pytest.raises(Exception, match="Weights only load failed") as error:
        torch.load(tmp_path / "m.pth", weights_only=True)
    assert in_short(error.value) == "Unsupported operand 60"
