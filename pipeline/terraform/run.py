"""Runs Terraform on a root: plan, apply, destroy, output. State lies in S3 with native locks; files of this machine in
``.local/terraform/<name>``, private, because plans contain secrets."""

import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline.core import console, files, process
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import log_file
from pipeline.core.tools import tool
from pipeline.terraform.errors import Diagnostic, TerraformError, diagnostic
from pipeline.terraform.roots import Root, backend, environ, init_key, source_key

#: Exit code of `terraform plan -detailed-exitcode` when there are changes.
CHANGES = 2
#: Seconds to wait for a held lock before it is reported.
LOCK_SECONDS = 5
#: Seconds that an apply may take. It is ended, and saves its state, before GitHub ends the step (deploy.yml), which
#: would leave Terraform without a parent and the state locked against the way back.
APPLY_SECONDS = 37 * 60
#: Files in a root's home: the saved plan, what is known of it, and the mark of an apply that has begun.
PLAN, RECORD, BEGUN = "plan.tfplan", "saved.json", "applying"

Show = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """A plan. ``document`` is Terraform's JSON of it (with secrets), None when nothing changes and it was not read."""

    root: Root
    changed: bool
    document: dict[str, Any] | None
    key: str


def init(root: Root) -> None:
    """Installs provider and modules and connects to the state, unless nothing of that has changed."""
    root.home.mkdir(parents=True, exist_ok=True)
    root.home.chmod(0o700)
    stamp, key = root.home / "initialised", init_key(root)
    if not (stamp.is_file() and stamp.read_text(encoding="utf-8") == key):
        stamp.unlink(missing_ok=True)
        options = ["-no-color", "-input=false", "-reconfigure", "-lockfile=readonly"]
        _text(root, ["init", *options, *backend(root)])
        files.write(stamp, key)
    # A state that Terraform could not save is pushed now: it refuses another lineage or an older serial itself.
    if (root.home / BEGUN).is_file():
        _keep_unsaved(root)
    kept = root.home / "errored.tfstate"
    if kept.is_file():
        _text(root, ["state", "push", str(kept)])
        kept.unlink()
        console.warn(f"saved the state of {root.name} that the last run could not save")


def plan(
    root: Root,
    *,
    destroy: bool = False,
    lock: bool = True,
    refresh: bool = True,
    read: bool = False,
    show: Show | None = None,
) -> Plan:
    """Plans, and saves the plan for ``apply`` when it holds the lock; raises TerraformError.

    Args:
        lock: False for plans that nobody applies (pull requests): they neither wait for nor hold a lock.
        refresh: False to compare with the state alone, which needs no right to look at AWS.
        read: Read the plan's document even when nothing changes.
    """
    init(root)
    # A plan that nobody applies does not take the place of one that somebody has read.
    file = root.home / (PLAN if lock else f"review-{os.getpid()}.tfplan")
    file.unlink(missing_ok=True)
    if lock:
        (root.home / RECORD).unlink(missing_ok=True)
    key = source_key(root)
    arguments = ["plan", "-json", "-input=false", "-detailed-exitcode", f"-out={file}"]
    arguments += ["-destroy"] if destroy else []
    arguments += [] if refresh else ["-refresh=false"]
    arguments += [f"-lock-timeout={LOCK_SECONDS}s" if lock else "-lock=false"]
    arguments += [f"-var={name}={value}" for name, value in sorted(root.variables.items())]
    changed, _ = _stream(root, arguments, show)
    file.chmod(files.PRIVATE)
    document = _json(root, ["show", "-json", str(file)]) if changed or read else None
    if lock:
        record = {"key": key, "changed": changed, "document": document if changed else None}
        files.write(root.home / RECORD, json.dumps(record), mode=files.PRIVATE)
    else:
        file.unlink()
    return Plan(root, changed, document, key)


def saved_plan(root: Root) -> Plan:
    """The plan that ``plan`` saved last; PipelineError when there is none, or the configuration has changed since."""
    record = files.read_json(root.home / RECORD, ("key", "changed", "document"))
    if not record or not (root.home / PLAN).is_file():
        raise PipelineError(
            f"there is no plan for {root.name}", next_step="run ./inv plan and read it"
        )
    saved = Plan(root, **record)
    _require_fresh(saved)
    return saved


def apply(saved: Plan, *, show: Show | None = None) -> int:
    """Applies a saved plan and removes it, since it is used up.

    Returns the number of resources created, changed or destroyed; raises PipelineError when the plan is stale, and
    TerraformError when the state is locked or AWS refused.
    """
    root = saved.root
    _require_fresh(saved)
    file = root.home / PLAN
    arguments = ["apply", "-json", "-input=false", f"-lock-timeout={LOCK_SECONDS}s", str(file)]
    (root.home / RECORD).unlink(missing_ok=True)
    # Stays when this process is killed: Terraform goes on alone, and may leave a state that it could not save.
    (root.home / BEGUN).touch()
    try:
        _, completed = _stream(root, arguments, show, seconds=APPLY_SECONDS)
    finally:
        file.unlink(missing_ok=True)
        (root.home / BEGUN).unlink()
    return completed


def output(root: Root) -> dict[str, Any]:
    """The root's outputs by name; empty when it has never been applied."""
    init(root)
    return {name: entry["value"] for name, entry in _json(root, ["output", "-json"]).items()}


def has_state(root: Root) -> bool:
    """Whether the state holds anything; an empty one is left by ``destroy``."""
    init(root)
    return bool(_json(root, ["show", "-json"]).get("values"))


def unlock(root: Root, lock_id: str) -> None:
    """Removes a lock whose holder is dead. Terraform refuses when the id is not the lock's."""
    init(root)
    _text(root, ["force-unlock", "-no-color", "-force", lock_id])


def _require_fresh(saved: Plan) -> None:
    if saved.key != source_key(saved.root):
        raise PipelineError(
            f"the plan for {saved.root.name} is stale: the configuration or the environment file has changed since",
            next_step="run ./inv plan again and read the new plan",
        )


def _keep_unsaved(root: Root) -> None:
    # Terraform writes this file to the folder that it runs in, which all environments share.
    left = root.folder / "errored.tfstate"
    if left.is_file():
        left.chmod(files.PRIVATE)
        left.replace(root.home / "errored.tfstate")


def _stream(
    root: Root, arguments: list[str], show: Show | None, *, seconds: float = math.inf
) -> tuple[bool, int]:
    """Whether a plan has changes, and the number of resources that an apply completed; a log has the rest readable."""
    log = log_file(f"terraform-{arguments[0]}-{root.name}")
    errors: list[Diagnostic] = []
    completed = 0
    with log.open("w", encoding="utf-8") as sink:

        def on_line(line: str) -> None:
            nonlocal completed
            message = _message(line)
            text = str(message["@message"])
            completed += message.get("type") == "apply_complete"
            if show:
                show(text)
            if problem := diagnostic(message):
                text = (
                    f"\n{problem.severity}: {problem.summary} {problem.where}\n{problem.detail}\n"
                )
                errors.extend([problem] if problem.severity == "error" else [])
            sink.write(f"{text}\n")
            sink.flush()

        try:
            process.run(
                [tool("terraform"), *arguments],
                log=root.home / f"{arguments[0]}.jsonl",
                cwd=root.folder,
                env=environ(root),
                on_line=on_line,
                seconds=seconds,
            )
        except CommandFailedError as error:
            if error.code == CHANGES and not errors:
                return True, completed
            _keep_unsaved(root)
            raise TerraformError(errors, name=root.name, log=log) from error
        except BaseException:
            _keep_unsaved(root)
            raise
    return False, completed


def _message(line: str) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    return {"@message": line, **message} if isinstance(message, dict) else {"@message": line}


def _text(root: Root, arguments: list[str]) -> None:
    """Runs a command that prints text for people."""
    log = log_file(f"terraform-{arguments[0]}-{root.name}")
    try:
        process.run([tool("terraform"), *arguments], log=log, cwd=root.folder, env=environ(root))
    except CommandFailedError as error:
        text = error.output.translate(dict.fromkeys(map(ord, "│╷╵")))
        # Some commands print no "Error:".
        problem = text.partition("Error: ")[2] or text
        summary, _, detail = problem.strip().partition("\n")
        errors = [Diagnostic("error", summary, detail)] if summary else []
        raise TerraformError(errors, name=root.name, log=log) from error


def _json(root: Root, arguments: list[str]) -> dict[str, Any]:
    text = process.capture([tool("terraform"), *arguments], cwd=root.folder, env=environ(root))
    document: dict[str, Any] = json.loads(text)
    return document
