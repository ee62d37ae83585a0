"""Runs a task to its end: exit 0 only when its job is done, one clear line when it is not, an orderly end on Ctrl-C."""

import functools
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType
from typing import NoReturn, ParamSpec, TypeVar

from rich.markup import escape

from pipeline.core import console, process
from pipeline.core.errors import PipelineError
from pipeline.core.paths import log_file, shown
from pipeline.github import actions as github
from pipeline.github import reports

P = ParamSpec("P")
R = TypeVar("R")

#: What a shell reports for a program that SIGINT ended.
INTERRUPTED = 130


def stage(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorates the body of an invoke task that belongs to the stage ``name``."""

    def decorate(body: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(body)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            # A cancelled CI job sends SIGTERM: it must end in the same order as Ctrl-C.
            signal.signal(signal.SIGTERM, _interrupt)
            # A shell starts its background jobs with SIGINT ignored, which every child would inherit.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            reported = reports.Published()
            try:
                return body(*args, **kwargs)
            except PipelineError as error:
                fail(name, error)
            except KeyboardInterrupt:
                process.interrupt_all()
                console.err.print(
                    f"[red]{name} interrupted[/]. What it had started has been ended."
                )
                sys.exit(INTERRUPTED)
            except OSError as error:
                fail(name, _from_system(error))
            except Exception as error:  # noqa: BLE001 - a bug still gets one line and a log
                log = log_file(f"{name}-error")
                log.write_text(traceback.format_exc(), encoding="utf-8")
                fail(
                    name,
                    PipelineError(
                        f"unexpected {type(error).__name__}: {error}",
                        next_step="please report this with the log",
                        log=log,
                    ),
                )
            finally:
                reported.publish()

        return guarded

    return decorate


def fail(name: str, error: PipelineError) -> NoReturn:
    """Prints the stage, the cause, the next step and the log in one line, and exits with 1."""
    line = f"[red bold]{name} failed:[/] {escape(error.cause)}. [bold]Next:[/] {escape(error.next_step)}."
    if error.log:
        line += f" [bold]Log:[/] {escape(shown(error.log))}"
    console.err.print(line)
    github.annotate("error", f"{error.cause}. Next: {error.next_step}.", title=f"{name} failed")
    sys.exit(1)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _from_system(error: OSError) -> PipelineError:
    import errno  # noqa: PLC0415 - only on this path

    if error.errno == errno.ENOSPC:
        return PipelineError(
            "no space is left on the disk",
            next_step="free some space (docker system df and the cache show the large parts), then run this again",
        )
    return PipelineError(
        f"{error.strerror or error} {error.filename or ''}".strip(),
        next_step="check the file's rights and the disk",
    )
