"""One module a task, of the task's name. ``run`` takes the arguments that tasks.py describes, and returns a
``Result`` or raises PipelineError."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Result:
    """What a command returns and the runner publishes.

    ``headline`` is one line for the terminal, ``markdown`` (beginning with a heading) goes into the summary of the job
    and the pull request's comment, ``outputs`` become outputs of the workflow's step.
    ``code`` is the task's exit code: that of a command that ran elsewhere.
    """

    headline: str
    markdown: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    code: int = 0
