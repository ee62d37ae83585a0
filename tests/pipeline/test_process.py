"""Programs are run to their end; a failure names its last words and its log; nothing survives an interruption."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from pipeline.core import process
from pipeline.core.errors import CommandFailedError, PipelineError, SilentError
from pipeline.core.waiting import wait


def test_output_goes_to_the_log_and_to_the_listener(tmp_path: Path) -> None:
    seen: list[str] = []
    process.run(["sh", "-c", "echo one; echo two >&2"], log=tmp_path / "log", on_line=seen.append)
    assert seen == ["one", "two"]
    assert (tmp_path / "log").read_text(encoding="utf-8").splitlines()[1:] == ["one", "two"]


def test_a_failure_carries_code_last_words_and_log(tmp_path: Path) -> None:
    with pytest.raises(CommandFailedError, match="it broke") as caught:
        process.run(["sh", "-c", "echo it broke; exit 7"], log=tmp_path / "log")
    assert (caught.value.code, caught.value.log) == (7, tmp_path / "log")


def test_a_failures_output_is_its_own_though_another_run_took_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = f"echo mine; rm {log}; echo another > {log}; exit 1"
    with pytest.raises(CommandFailedError) as caught:
        process.run(["sh", "-c", script], log=log)
    assert caught.value.output == "mine\n"


def test_a_program_that_falls_silent_is_ended(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "never")
    script = f"echo $$; read line < {tmp_path / 'never'}"
    pids: list[str] = []
    with pytest.raises(SilentError, match=r"no line of output for 1 s from sh \(pid"):
        process.run(
            ["sh", "-c", script], log=tmp_path / "log", on_line=pids.append, silence_seconds=1
        )
    assert not psutil.pid_exists(int(pids[0]))


def test_a_program_that_does_not_end_is_ended(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "never")
    script = f"exec 3<>{tmp_path}/never; for each in {{1..100}}; do echo $$; read -t 0.1 -u 3; done"
    pids: list[str] = []
    with pytest.raises(SilentError, match=r"^bash \(pid \d+\) had not ended after 0 min"):
        process.run(["bash", "-c", script], log=tmp_path / "log", on_line=pids.append, seconds=1)
    assert not psutil.pid_exists(int(pids[0]))


def test_a_program_that_never_answers_is_ended_and_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "never")
    with pytest.raises(SilentError, match=r"^cat \S+ did not end within 1 s"):
        process.capture(["cat", tmp_path / "never"], seconds=1)
    assert not process.running()


def test_a_missing_program_is_named() -> None:
    with pytest.raises(PipelineError, match="no-such-program was not found"):
        process.capture(["no-such-program"])


def test_an_interruption_ends_the_child_in_order(tmp_path: Path) -> None:
    script = f"""
import sys
sys.path.insert(0, {str(Path.cwd())!r})
from pathlib import Path
from pipeline.core import process
from pipeline.runner import command
child = "trap 'echo ended; exit 3' INT; echo $$; while :; do sleep 0.05; done"
@command
def demo():
    process.run(["sh", "-c", child], log=Path({str(tmp_path / "log")!r}), on_line=print)
demo()
"""
    parent = subprocess.Popen(
        [sys.executable, "-u", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGTERM)
    _, errors = parent.communicate(timeout=20)
    assert parent.returncode == 130
    assert "demo interrupted" in errors
    assert not psutil.pid_exists(child)
    # The last line: the first one, the command, has the word as well.
    assert (tmp_path / "log").read_text(encoding="utf-8").splitlines()[-1] == "ended"


IMPATIENT = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from pipeline.core import process
from pipeline.runner import command
child = "trap 'echo asked' INT; echo $$; while [ ! -e {gone} ]; do sleep 0.05; done; echo saved"
@command
def demo():
    process.run(["sh", "-c", child], log=Path({log!r}), on_line=print)
demo()
"""


def test_further_interruptions_show_what_is_waited_for(tmp_path: Path) -> None:
    log, gone, errors = tmp_path / "log", tmp_path / "gone", tmp_path / "errors"
    script = IMPATIENT.format(root=str(Path.cwd()), gone=gone, log=str(log))
    argv = [sys.executable, "-u", "-c", script]
    with errors.open("w") as sink:
        parent = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=sink, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.send_signal(signal.SIGINT)
    assert wait(lambda: "asked" in log.read_text(encoding="utf-8").splitlines(), timeout=20)
    for count in (1, 2):
        parent.send_signal(signal.SIGINT)
        waiting = f"waiting for sh (pid {child}) to end"
        shown = wait(lambda: errors.read_text().count(waiting) == count, timeout=20)  # noqa: B023
        assert shown, errors.read_text()
    assert parent.poll() is None
    assert psutil.pid_exists(child)
    gone.touch()
    assert parent.wait(timeout=20) == 130
    assert not psutil.pid_exists(child)
    assert log.read_text(encoding="utf-8").splitlines().count("asked") == 1
    assert "demo interrupted. What it had started has been ended." in errors.read_text()


KILLED = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from pipeline.core import process
process.run(["sh", "-c", {child!r}], log=Path({log!r}), on_line=lambda line: print(line, flush=True))
"""


def test_a_program_outlives_the_kill_of_what_runs_it(tmp_path: Path) -> None:
    log, gone = tmp_path / "log", tmp_path / "gone"
    # It writes again only when its runner is dead: a pipe to that one would be broken by now.
    child = f"echo $$; while [ ! -e {gone} ]; do sleep 0.05; done; echo saved; echo freed >&2"
    script = KILLED.format(root=str(Path.cwd()), child=child, log=str(log))
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    ) as runner:
        assert runner.stdout is not None
        program = psutil.Process(int(runner.stdout.readline()))
        runner.kill()
    gone.touch()
    program.wait(timeout=20)
    assert log.read_text(encoding="utf-8").splitlines()[-2:] == ["saved", "freed"]


def test_a_line_that_is_written_in_parts_is_heard_once(tmp_path: Path) -> None:
    seen: list[str] = []
    more = tmp_path / "more"
    script = f"printf one; while [ ! -e {more} ]; do sleep 0.05; done; printf ' two\\nlast'"
    log = tmp_path / "log"
    with ThreadPoolExecutor() as pool:
        run = pool.submit(process.run, ["sh", "-c", script], log=log, on_line=seen.append)
        half = wait(lambda: log.is_file() and log.read_bytes().endswith(b"\none"), timeout=20)
        more.touch()
        run.result(timeout=20)
    assert half
    assert seen == ["one two", "last"]
