"""The one kind of failure that a user sees: a cause, the next step, and the log that tells more."""

from pathlib import Path


class PipelineError(Exception):
    """A stage cannot do its job.

    Args:
        cause: What is wrong, in one line, without a full stop.
        next_step: What the user does now, in one line.
        log: The file with the details, when there is one.
    """

    def __init__(self, cause: str, *, next_step: str, log: Path | None = None) -> None:
        super().__init__(cause)
        self.cause = cause
        self.next_step = next_step
        self.log = log


class CommandFailedError(PipelineError):
    """A command ended with a non-zero code; ``code`` is that code and ``tail`` its last output lines."""

    def __init__(
        self, cause: str, *, next_step: str, log: Path | None, code: int, tail: list[str]
    ) -> None:
        super().__init__(cause, next_step=next_step, log=log)
        self.code = code
        self.tail = tail
