"""Two writers never run at once; the second one names the first; a dead holder holds nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.core import locks
from pipeline.core.errors import PipelineError

HOLD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from pipeline.core import locks
with locks.exclusive("deploy", Path(sys.argv[2])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_writer_is_refused_and_names_the_holder(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(Path.cwd()), str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with (
        pytest.raises(PipelineError, match=rf"pid {holder.pid}"),
        locks.exclusive("deploy", tmp_path),
    ):
        pass
    holder.kill()
    holder.wait()
    with locks.exclusive("deploy", tmp_path):
        pass


def test_shared_holders_stand_side_by_side_and_keep_out_one_that_wants_it_alone(
    tmp_path: Path,
) -> None:
    refused = pytest.raises(PipelineError, match=rf"checkout lock: pid {os.getpid()}")
    first, second = (locks.shared("checkout", tmp_path) for _ in range(2))
    with first, second, refused, locks.exclusive("checkout", tmp_path):
        pytest.fail("it was not refused")
    with locks.exclusive("checkout", tmp_path), refused, locks.shared("checkout", tmp_path):
        pytest.fail("it was not refused")
