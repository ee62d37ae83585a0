"""Runs a task: publishes its result, turns a failure into one line, ends in order on Ctrl-C."""

import errno
import functools
import logging
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, NoReturn, ParamSpec

from rich.markup import escape

from pipeline.commands import Result
from pipeline.core import console, locks, process
from pipeline.core.errors import PipelineError
from pipeline.core.paths import log_file, shown
from pipeline.github import actions, reports
from pipeline.releases.image_reference import DIGEST

P = ParamSpec("P")

# At INFO it logs each address that it asks, also a webhook's and a blob's, with what makes them secret.
logging.getLogger("httpx").setLevel(logging.WARNING)

#: The exit code that a shell reports for a program that SIGINT ended.
INTERRUPTED = 130
INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM)

NUMBER = ("[0-9]{1,18}", "a number", "digits alone")
#: What the arguments of a name are in every task: a pattern, what that is, and its form.
FORMS = {
    "digest": (
        f"({DIGEST.pattern})?",  # none stands for the one that Git names
        "an image digest",
        "sha256: and 64 hex digits, as ./inv push prints",
    ),
    "acknowledge": (
        r"[\w-]+(\[[^]]*\])?(\.[\w-]+(\[[^]]*\])?)+",
        "an address",
        "one that the plan shows",
    ),
    "repository": ("[A-Za-z0-9-]+/[A-Za-z0-9._-]+", "a repository on GitHub", "owner/name"),
    "lock": (
        "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        "a lock's id",
        "the one that the refusal shows",
    ),
    # It stands in a commit's message, where [skip ci] would start no workflow.
    **dict.fromkeys(
        ("override", "reason"),
        (
            r"[^\x00-\x1f\[\]]{0,200}",
            "a reason",
            "one line of at most 200 characters, none of them [ or ]",
        ),
    ),
    "days": ("[0-9]{1,4}", "a number of days", "digits alone"),
    **dict.fromkeys(("number", "owner_id", "repository_id", "app_id"), NUMBER),
}


def command(body: Callable[P, Result]) -> Callable[P, None]:
    """Decorates an invoke task; the function's name is the task's."""
    name = body.__name__.rstrip("_").replace("_", "-")

    @functools.wraps(body)
    def task(*args: P.args, **kwargs: P.kwargs) -> None:
        # A cancelled CI job sends SIGTERM: it must end in the same order as Ctrl-C. A shell starts its background jobs
        # with SIGINT ignored, which every child would inherit.
        for number in INTERRUPTIONS:
            signal.signal(number, _interrupt)
        removing = "down" in (name, kwargs.get("action"))
        hold = locks.exclusive if removing else locks.shared
        try:
            for argument, value in kwargs.items():
                _require_form(argument, value)  # before anything is looked for, made or changed
            with hold("checkout"):
                result = body(*args, **kwargs)
            publish(name, result.markdown, result.outputs)
            if result.headline:
                console.info(result.headline)
            if result.code:
                sys.exit(result.code)
        except KeyboardInterrupt:
            process.interrupt_all()
            console.err.print(f"[red]{name} interrupted[/]. What it had started has been ended.")
            sys.exit(INTERRUPTED)
        except Exception as error:  # noqa: BLE001 - a bug gets one line and a log as well
            fail(name, _explained(name, error))

    return task


def _require_form(argument: str, value: Any) -> None:
    pattern, meaning, form = FORMS.get(argument, (".*", "", ""))
    for text in value if isinstance(value, list) else [value]:
        if isinstance(text, str) and not re.fullmatch(pattern, text, re.DOTALL):
            raise PipelineError(f"{text!r:.80} is not {meaning}", next_step=f"use {form}")


def publish(name: str, markdown: str, outputs: Mapping[str, str]) -> None:
    """Keeps a task's report (``reports.write``) and passes report and outputs to GitHub Actions."""
    reports.write(name, markdown)
    if markdown:
        actions.summary(markdown)
    for key, value in outputs.items():
        actions.output(key, value)


def fail(name: str, error: PipelineError) -> NoReturn:
    """Prints task, cause, next step and log in one line, and exits with 1."""
    first = reports.failure(error.cause, error.next_step)
    publish(name, f"{error.report or f'### {name}'}\n\n{first}", {})
    line = f"[red bold]{name} failed:[/] {escape(error.cause)}. [bold]Next:[/] {escape(error.next_step)}."
    if error.log:
        line += f" [bold]Log:[/] {escape(shown(error.log))}"
    console.err.print(line)
    actions.annotate(f"{error.cause}. Next: {error.next_step}.", title=f"{name} failed")
    sys.exit(1)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    for number in INTERRUPTIONS:
        signal.signal(number, _show_what_ends)
    raise KeyboardInterrupt


def _show_what_ends(_number: int, _frame: FrameType | None) -> None:
    """A second Ctrl-C would leave a program running: it only shows what the first one waits for."""
    names = ", ".join(process.running()) or "what was started"
    # Not the console: the signal may have come while it prints.
    os.write(2, f"\nwaiting for {names} to end, at most {process.GRACE_SECONDS} s\n".encode())


def _explained(name: str, error: Exception) -> PipelineError:
    if isinstance(error, PipelineError):
        return error
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        space = "free some space (docker system df and the cache show the large parts), then run this again"
        return PipelineError("no space is left on the disk", next_step=space)
    if isinstance(error, OSError):
        cause = f"{error.strerror or error} {error.filename or ''}".strip()
        return PipelineError(cause, next_step="check the file's rights and the disk")
    from pipeline.aws.account import refusal  # noqa: PLC0415 - botocore takes as long as ./inv itself

    if refused := refusal(error):
        return refused
    log = log_file(f"{name}-error")
    log.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    cause = f"unexpected {type(error).__name__}: {error}"
    return PipelineError(cause, next_step="report this with the log", log=log)
