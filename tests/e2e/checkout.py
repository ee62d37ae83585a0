"""A scratch clone with ports of its own: the tests deploy from it as a user would, beside what the user has running."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import docker

from pipeline.aws import localaws
from pipeline.core import ports
from pipeline.core.paths import CHECKOUT_LABEL, ROOT
from pipeline.git import repository as git

#: Moves every port of a scratch clone away from those of this checkout; a second clone takes the double.
PORT_STEP = 1000
TASK_SECONDS = 1500


@dataclass(frozen=True)
class Checkout:
    """A clone in which tasks are run; ``folder`` is its work tree, its ports are ``port_step`` above ours."""

    folder: Path
    port_step: int = PORT_STEP

    def inv(
        self, *arguments: str, check: bool = True, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs ``./inv`` to its end, as CI does, with further environment variables; its output is in the result."""
        with subprocess.Popen(
            ["./inv", *arguments],
            cwd=self.folder,
            env={**self.environ(), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as task:
            try:
                output = task.communicate(timeout=TASK_SECONDS)
            except BaseException:
                # Killed, it would leave what it has started behind.
                task.send_signal(signal.SIGINT)
                task.communicate()
                raise
        result = subprocess.CompletedProcess(arguments, task.returncode, *output)
        if check and result.returncode != 0:
            raise AssertionError(
                f"./inv {' '.join(arguments)} ended with {result.returncode}\n{result.stdout[-6000:]}\n{result.stderr}"
            )
        return result

    def environ(self) -> dict[str, str]:
        """The environment of its tasks."""
        return {**os.environ, "CI": "true", "PORT_OFFSET": str(ports.OFFSET + self.port_step)}

    def status(self) -> dict[str, Any]:
        """The targets of ``./inv status --json``."""
        targets: dict[str, Any] = json.loads(self.inv("status", "--json").stdout)["targets"]
        return targets

    def edit(self, name: str, pattern: str, replacement: str) -> None:
        """Replaces the first match of a pattern in a file; a pattern that matches nothing is an error."""
        path = self.folder / name
        text, count = re.subn(
            pattern, replacement, path.read_text(encoding="utf-8"), count=1, flags=re.M
        )
        assert count == 1, f"{pattern!r} is not in {name}"
        path.write_text(text, encoding="utf-8")

    def restore(self) -> None:
        """Brings the work tree back to the clone's commit; what runs is not touched."""
        subprocess.run(["git", "checkout", "-q", "."], cwd=self.folder, check=True)


def make(folder: Path, port_step: int = PORT_STEP) -> Checkout:
    """Clones this checkout with the work tree as it is, uncommitted changes included, as one commit."""
    subprocess.run(["git", "clone", "-q", "--no-hardlinks", ROOT, folder], check=True)
    kept = set()
    for source in git.files():
        name = source.relative_to(ROOT)
        kept.add(name)
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
    for file in git.files(root=folder):
        if file.relative_to(folder) not in kept:
            file.unlink()
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", "add", "--all"], cwd=folder, check=True)
    subprocess.run(
        ["git", *identity, "commit", "-q", "--allow-empty", "-m", "The work tree under test"],
        cwd=folder,
        check=True,
    )
    # The tests of this content have passed or are running: the clone need not run them again.
    if (ROOT / ".local" / "passed").is_dir():
        shutil.copytree(ROOT / ".local" / "passed", folder / ".local" / "passed")
    return Checkout(folder, port_step)


def containers(checkout: Checkout) -> list[str]:
    """The names of the containers that the clone started, running or not."""
    own = hashlib.sha256(str(checkout.folder.resolve()).encode()).hexdigest()[:8]
    found = docker.from_env().containers.list(
        all=True, filters={"label": f"{CHECKOUT_LABEL}={own}"}
    )
    return [one.name or "" for one in found]


def client(service: str, checkout: Checkout) -> Any:
    """The local AWS of a clone, as an outsider sees it."""
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=f"http://127.0.0.1:{ports.AWS_API + checkout.port_step}",
        region_name=localaws.REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
