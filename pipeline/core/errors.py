"""Failures as a user sees them: a cause, the next step, and the log with the details."""

from pathlib import Path


class PipelineError(Exception):
    """A stage cannot do its job.

    Args:
        cause: What is wrong, in one line, without a full stop.
        next_step: What the user does now, in one line.
        log: The file with the details, when there is one.
        report: Markdown for the job's summary, of a stage that looked and has findings.
    """

    def __init__(
        self, cause: str, *, next_step: str, log: Path | None = None, report: str = ""
    ) -> None:
        super().__init__(cause)
        self.cause = cause
        self.next_step = next_step
        self.log = log
        self.report = report


class CommandFailedError(PipelineError):
    """A program ended with the non-zero ``code``; ``tail`` holds its last lines of output."""

    def __init__(
        self, cause: str, *, next_step: str, log: Path | None, code: int, tail: list[str]
    ) -> None:
        super().__init__(cause, next_step=next_step, log=log)
        self.code = code
        self.tail = tail


class SilentError(PipelineError):
    """A command printed nothing for too long and was ended."""
