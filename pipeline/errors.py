"""The one error a user is meant to read."""


class PipelineError(Exception):
    """A cause that the user can mend: one line that names the file or key and the cure."""

    def __str__(self) -> str:
        # Names from elsewhere may hold line breaks, or bytes that no terminal can print.
        return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in super().__str__())


def first_few(problems: list[str], shown: int = 5) -> str:
    """Join causes into one line, the first few in full and the rest as a count."""
    rest = len(problems) - shown
    return "; ".join(problems[:shown]) + (f"; and {rest} more" if rest > 0 else "")
