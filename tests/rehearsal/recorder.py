"""Takes the place of ./inv where a test asks which tasks the workflows call, in which order and with what rights.

It writes each call to ``tasks.jsonl`` beside the stand-ins' record, sets the outputs that ``behaviour.json`` names for
the task, and fails or hangs where that says so. The workflows, act, Git and the stand-ins for actions are real.
"""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

SHARED = Path(os.environ["STAND_IN_FOLDER"])
#: Whose presence in a job is a right.
RIGHTS = ("GITHUB_TOKEN", "RELEASE_TOKEN", "LOCAL_AWS", "NEEDS")
#: What a repository's plan switches.
SWITCHES = ("CODE_SCANNING", "ATTESTATIONS")
#: What a message about a deployment is made of.
DEPLOYMENT = ("OUTCOME", "CHANGE", "ROLLED_BACK", "RETURNED", "URL")


def main() -> int:
    """Records one call; exits with 1 when the task is to fail."""
    task, *arguments = sys.argv[1:]
    call = {
        "task": task,
        "arguments": arguments,
        "job": os.environ["GITHUB_JOB"],
        "with": [name for name in RIGHTS if os.environ.get(name)],
        "deployment": [os.environ.get(name, "") for name in DEPLOYMENT],
        "switches": {name: os.environ[name] for name in SWITCHES if name in os.environ},
    }
    with (SHARED / "tasks.jsonl").open("a", encoding="utf-8") as sink:
        fcntl.flock(sink, fcntl.LOCK_EX)
        sink.write(json.dumps(call) + "\n")
    behaviour = json.loads((SHARED / "behaviour.json").read_text(encoding="utf-8"))
    for name, value in behaviour["outputs"].get(task, {}).items():
        with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as sink:
            sink.write(f"{name}={value}\n")
    if task == "scan":
        report = Path(".local/reports/scan.sarif")
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text('{"version": "2.1.0", "runs": [{}]}', encoding="utf-8")
    if task == "docs":
        Path(".local/site").mkdir(parents=True)
        Path(".local/site/index.html").write_text("<html>", encoding="utf-8")
    if task == "push":
        Path("sbom.json").write_text('{"spdxVersion": "SPDX-2.3"}', encoding="utf-8")
    if f"{call['job']}:{task}" in behaviour["hangs"]:
        # As a task does: its programs have a session of their own.
        subprocess.run(["sleep", "infinity"], start_new_session=True, check=True)
    called = {f"{call['job']}:{task} {word}" for word in arguments}
    if "--check" not in arguments:
        called.add(f"{call['job']}:{task}")
    return 1 if called & set(behaviour["fails"]) else 0


if __name__ == "__main__":
    sys.exit(main())
