"""The one error class whose message is written for the user."""

import re

NOISE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|\[Errno -?\d+\] ")  # colours, error numbers
# The text that torch puts before the reason why it refuses a pickle.
ADVICE = re.compile(
    r".*(Unpickler error:|only if you got the file from a trusted source\.)", re.DOTALL
)


class PipelineError(Exception):
    """An error that the user can fix: one line that names the file or key, and the cure."""

    def __str__(self) -> str:
        # Names from outside may hold line breaks, or bytes that no terminal can print.
        return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in super().__str__())


def first_few(problems: list[str], shown: int = 5) -> str:
    """Join causes into one line: the first `shown` in full, the rest as a count."""
    rest = len(problems) - shown
    return "; ".join(problems[:shown]) + (f"; and {rest} more" if rest > 0 else "")


def in_short(error: BaseException, longest: int = 120) -> str:
    """Return the message of a library's error as one phrase of at most `longest` characters.

    Escape codes, error numbers and everything after the first sentence are left out, and so is
    the advice that torch puts before a cause. An error without a message gives its type's name.
    """
    message = re.sub(r"^<urlopen error (.*)>$", r"\1", ADVICE.sub("", NOISE.sub("", str(error))))
    first = re.split(r"[.:]?\s*\n|[.;]\s", message.strip(), maxsplit=1)[0].rstrip(".")
    first = first or type(error).__name__
    return first if len(first) <= longest else f"{first[: longest - 1]}…"
