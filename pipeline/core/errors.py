"""Failures as a user sees them: a cause, the next step, and the log with the details."""

from collections.abc import Iterable
from pathlib import Path


class PipelineError(Exception):
    """A stage cannot do its job.

    ``cause`` and ``next_step`` are one line each, without a full stop; ``log`` is the file with the details. ``report``
    is Markdown for the job's summary, of a stage that looked and has findings.
    """

    def __init__(
        self, cause: str, *, next_step: str, log: Path | None = None, report: str = ""
    ) -> None:
        super().__init__(cause)
        self.cause = cause
        self.next_step = next_step
        self.log = log
        self.report = report


def require_choice(kind: str, name: str, choices: Iterable[str]) -> None:
    """Raises PipelineError with the choices when the name is none of them."""
    if name not in choices:
        listed = ", ".join(choices)
        raise PipelineError(f"there is no {kind} {name!r}", next_step=f"choose one of: {listed}")


class CommandFailedError(PipelineError):
    """A program ended with the non-zero ``code``; ``tail`` holds its last lines of output.

    ``output`` is all of it where the program has a log, which another run may have replaced by now.
    """

    def __init__(
        self,
        cause: str,
        *,
        next_step: str,
        log: Path | None,
        code: int,
        tail: list[str],
        output: str = "",
    ) -> None:
        super().__init__(cause, next_step=next_step, log=log)
        self.code = code
        self.tail = tail
        self.output = output


class SilentError(PipelineError):
    """A command printed nothing, or did not end, for too long and was ended."""
