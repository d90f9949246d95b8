"""The one error a user is meant to read."""


class PipelineError(Exception):
    """A cause that the user can mend: one line that names the file or key and the cure."""
