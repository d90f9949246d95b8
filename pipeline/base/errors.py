"""The one error a user is meant to read."""

import re

NOISE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|\[Errno -?\d+\] ")  # colours, numbers of errors
# What torch says in front of why it refuses a pickle.
ADVICE = re.compile(
    r".*(Unpickler error:|only if you got the file from a trusted source\.)", re.DOTALL
)


class PipelineError(Exception):
    """A cause that the user can mend: one line that names the file or key and the cure."""

    def __str__(self) -> str:
        # Names from elsewhere may hold line breaks, or bytes that no terminal can print.
        return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in super().__str__())


def first_few(problems: list[str], shown: int = 5) -> str:
    """Join causes into one line, the first few in full and the rest as a count."""
    rest = len(problems) - shown
    return "; ".join(problems[:shown]) + (f"; and {rest} more" if rest > 0 else "")


def in_short(error: BaseException, longest: int = 120) -> str:
    """The message of a library as one phrase of at most `longest` characters.

    Escape codes, numbers of errors and all behind its first sentence are left out; so is torch's
    advice in front of a cause. An error without a message is named by its type.
    """
    message = re.sub(r"^<urlopen error (.*)>$", r"\1", ADVICE.sub("", NOISE.sub("", str(error))))
    first = re.split(r"[.:]?\s*\n|[.;]\s", message.strip(), maxsplit=1)[0].rstrip(".")
    first = first or type(error).__name__
    return first if len(first) <= longest else f"{first[: longest - 1]}…"
