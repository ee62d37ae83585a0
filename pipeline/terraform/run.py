"""Runs Terraform on one root at a time: init, plan, apply, output, destroy.

State lies in S3 with native locks. Everything that a run leaves on this machine is under ``.local/terraform/<name>``,
readable by this user alone, because plans contain secrets.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.aws.account import Account
from pipeline.core import console, files, process
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import log_file
from pipeline.core.tools import tool
from pipeline.terraform import adoption
from pipeline.terraform.errors import Diagnostic, TerraformError, diagnostic
from pipeline.terraform.root import Root, backend, environ, init_key, source_key

#: `terraform plan -detailed-exitcode` with changes.
CHANGES = 2
#: Seconds that a held lock is waited for before it is reported.
LOCK_SECONDS = 5

Show = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """A saved plan. ``document`` is Terraform's JSON of it, None when it was not read; it contains secrets."""

    root: Root
    changed: bool
    file: Path
    document: dict[str, Any] | None
    key: str


@dataclass
class Applied:
    """What an apply did: seconds by resource address."""

    seconds: dict[str, float] = field(default_factory=dict)


def init(root: Root) -> None:
    """Installs provider and modules and connects to the state; at once when nothing of that has changed.

    Raises:
        PipelineError: The bucket does not exist, the provider cannot be had, or an unsaved state does not fit.
    """
    root.home.mkdir(parents=True, exist_ok=True)
    root.home.chmod(0o700)
    stamp, key = root.home / "initialised", init_key(root)
    if not (stamp.is_file() and stamp.read_text(encoding="utf-8") == key):
        stamp.unlink(missing_ok=True)
        _text(
            root,
            [
                "init",
                "-reconfigure",
                "-lockfile=readonly",
                *backend(root),
            ],
        )
        stamp.write_text(key, encoding="utf-8")
    _save_unsaved(root)


def plan(
    root: Root,
    *,
    destroy: bool = False,
    lock: bool = True,
    read: bool = False,
    show: Show | None = None,
) -> Plan:
    """Plans, saves the plan, and reads it.

    With a lock, which no apply can hold then, what a killed one had created is planned to be imported.

    Args:
        lock: False for plans that nobody applies (pull requests): they neither wait for nor hold a lock.
        read: Read the plan's document also when nothing changes.
        show: Called with a line of progress.

    Raises:
        PipelineError: Terraform refused; the cause says why in our words.
    """
    init(root)
    # A plan that nobody applies does not take the place of one that somebody has read.
    file = _plan_file(root) if lock else root.home / "review.tfplan"
    file.unlink(missing_ok=True)
    if lock:
        (root.home / "plan.key").unlink(missing_ok=True)
    key = source_key(root)
    arguments = [
        "plan",
        "-json",
        "-detailed-exitcode",
        f"-out={file}",
        *(["-destroy"] if destroy else []),
        *([f"-lock-timeout={LOCK_SECONDS}s"] if lock else ["-lock=false"]),
        *_variables(root),
    ]
    code = _stream(root, arguments, "plan", show)
    adopting = lock and not destroy
    traced = adoption.left_by(root) if adopting else {}
    document = _document(root, file) if read or traced or code == CHANGES else None
    if traced and document is not None:
        code, document = _adopt(root, arguments, document, traced=traced, show=show, code=code)
    elif adopting:
        adoption.unfinished(root).unlink(missing_ok=True)
    file.chmod(files.PRIVATE)
    result = Plan(root=root, changed=code == CHANGES, file=file, document=document, key=key)
    if lock:
        files.write(root.home / "plan.key", key, mode=files.PRIVATE)
        files.write(
            root.home / "plan.json",
            json.dumps(document if result.changed else None),
            mode=files.PRIVATE,
        )
    return result


def saved_plan(root: Root) -> Plan:
    """The plan that ``plan`` saved last.

    Raises:
        PipelineError: There is none, or the configuration has changed since.
    """
    file, key = _plan_file(root), root.home / "plan.key"
    if not file.is_file() or not key.is_file():
        raise PipelineError(
            f"there is no plan for {root.name}", next_step="run ./inv plan and read it"
        )
    if key.read_text(encoding="utf-8") != source_key(root):
        raise PipelineError(
            f"the plan for {root.name} is stale: the configuration or the environment file has changed since",
            next_step="run ./inv plan again and read the new plan",
        )
    document = json.loads((root.home / "plan.json").read_text(encoding="utf-8"))
    return Plan(
        root=root,
        changed=document is not None,
        file=file,
        document=document,
        key=key.read_text(encoding="utf-8"),
    )


def apply(saved: Plan, *, show: Show | None = None) -> Applied:
    """Applies exactly a saved plan, and removes it: it is used up, and it contains secrets.

    Raises:
        PipelineError: The plan is stale, the state is locked, or AWS refused.
    """
    root = saved.root
    if saved.key != source_key(root):
        raise PipelineError(
            f"the plan for {root.name} is stale: the configuration or the environment file has changed since",
            next_step="run ./inv plan again and read the new plan",
        )
    applied = Applied()
    arguments = ["apply", "-json", f"-lock-timeout={LOCK_SECONDS}s", str(saved.file)]
    # Kept until Terraform has saved its state. The plan is used up from here on, however this ends.
    files.write(adoption.unfinished(root), json.dumps(saved.document), mode=files.PRIVATE)
    (root.home / "plan.key").unlink(missing_ok=True)
    try:
        _stream(root, arguments, "apply", show, applied=applied)
    except TerraformError as error:
        # Terraform has ended by itself, and saves its state then; a plan that it refused is still to be carried out.
        if error.code > 0 and adoption.has_begun(root):
            adoption.unfinished(root).unlink()
        raise
    else:
        adoption.unfinished(root).unlink()
    finally:
        for used in ("plan.tfplan", "plan.json"):
            (root.home / used).unlink(missing_ok=True)
    return applied


def destroy(root: Root, *, confirm: str, show: Show | None = None) -> Applied:
    """Destroys everything of the root.

    Args:
        confirm: The root's name, typed by whoever asks for it.

    Raises:
        PipelineError: ``confirm`` is another name, the environment is protected, or what a killed apply had created
            would be forgotten.
    """
    if confirm != root.name:
        raise PipelineError(
            f"destroying {root.name} was not confirmed by its name",
            next_step=f"name it: --confirm {root.name}",
        )
    if root.protected:
        raise PipelineError(
            f"{root.name} is protected against deletion",
            next_step=f"set aws.deletion_protection: false in environments/{root.name}.yaml and apply that first",
        )
    unknown = set(adoption.left_by(root)) - set(state_addresses(root))
    if unknown:
        raise PipelineError(
            f"the last apply of {root.name} was killed, and the state may not know all that it had created",
            next_step=f"./inv plan and ./inv apply --environment {root.name}, which take it over, then this again",
        )
    return apply(plan(root, destroy=True, show=show), show=show)


def output(root: Root) -> dict[str, Any]:
    """The root's outputs by name; empty when it has never been applied."""
    init(root)
    text = process.capture(_command(root, ["output", "-json"]), cwd=root.folder, env=environ(root))
    return {name: entry["value"] for name, entry in json.loads(text).items()}


def state_addresses(root: Root) -> list[str]:
    """The addresses of everything in the state; none when nothing has ever been applied."""
    init(root)
    try:
        text = process.capture(
            _command(root, ["state", "list"]), cwd=root.folder, env=environ(root)
        )
    except CommandFailedError as error:
        if any("No state file was found" in line for line in error.tail):
            return []
        raise
    # A key may hold a space.
    return text.splitlines()


def unlock(root: Root, lock_id: str) -> None:
    """Removes a lock whose holder is dead. Terraform refuses when the id is not the lock's."""
    init(root)
    _text(root, ["force-unlock", "-force", lock_id])


def _adopt(
    root: Root,
    arguments: Sequence[str],
    document: dict[str, Any],
    *,
    traced: Mapping[str, adoption.Trace],
    show: Show | None,
    code: int,
) -> tuple[int, dict[str, Any]]:
    """Plans again, with what a killed apply had created being imported, until nothing more of it is found."""
    client = Account(root.environ, local=False).client
    gone: set[str] = set()
    found = adoption.search(document, traced, client)
    planned: Mapping[str, str] | None = {}
    while found.imports != planned:
        try:
            code = _stream(adoption.prepare(root, found.imports), arguments, "plan", show)
        except TerraformError as error:
            gone |= adoption.not_there(error, found.imports, traced)
            planned = None
        else:
            document, planned = _document(root, _plan_file(root)), found.imports
        found = adoption.search(document, traced, client, gone)
    adoption.clear(root)
    for one in found.left:
        console.warn(f"{one}; it is left of a killed apply: {adoption.way_out(root.name)}")
    if found.imports:
        console.warn(
            f"the last apply of {root.name} was killed: {len(found.imports)} resources that it had created"
            " are taken into the state"
        )
    elif not found.left:
        adoption.unfinished(root).unlink()
    return code, document


def _plan_file(root: Root) -> Path:
    return root.home / "plan.tfplan"


def _save_unsaved(root: Root) -> None:
    if adoption.unfinished(root).is_file():
        _keep_unsaved(root)  # Terraform outlived the run that would have put it away
    # Terraform leaves this file where it ran when it could not reach the bucket. Pushing it back is safe: Terraform
    # itself refuses another lineage or an older serial.
    kept = root.home / "errored.tfstate"
    if not kept.is_file():
        return
    _text(root, ["state", "push", str(kept)])
    kept.unlink()
    console.warn(f"saved the state of {root.name} that the last run could not save")


def _keep_unsaved(root: Root) -> None:
    left = root.folder / "errored.tfstate"
    if left.is_file():
        kept = root.home / "errored.tfstate"
        left.chmod(files.PRIVATE)
        left.replace(kept)


def _stream(
    root: Root,
    arguments: Sequence[str],
    what: str,
    show: Show | None,
    applied: Applied | None = None,
) -> int:
    """Runs a command that prints JSON lines; writes them readable to a log; returns its code (0 or 2).

    Raises:
        TerraformError: Terraform refused.
    """
    readable = log_file(f"terraform-{what}-{root.name}")
    errors: list[Diagnostic] = []
    with readable.open("w", encoding="utf-8") as sink:

        def on_line(line: str) -> None:
            try:
                message = json.loads(line)
            except ValueError:
                sink.write(f"{line}\n")
                return
            if not isinstance(message, dict):
                return
            found = diagnostic(message)
            if found:
                sink.write(f"\n{found.severity}: {found.summary} {found.where}\n{found.detail}\n\n")
                if found.severity == "error":
                    errors.append(found)
            else:
                sink.write(f"{message.get('@message', line)}\n")
            sink.flush()
            if applied is not None:
                _note(message, applied)
            if show:
                show(str(message.get("@message", "")))

        try:
            process.run(
                _command(root, arguments),
                log=root.home / f"{what}.jsonl",
                cwd=root.folder,
                env=environ(root),
                on_line=on_line,
            )
        except CommandFailedError as error:
            if error.code == CHANGES and not errors:
                return CHANGES
            _keep_unsaved(root)
            raise TerraformError(errors, name=root.name, log=readable, code=error.code) from error
        except BaseException:
            _keep_unsaved(root)
            raise
    return 0


def _note(message: Mapping[str, Any], applied: Applied) -> None:
    if message.get("type") == "apply_complete":
        hook = message["hook"]
        applied.seconds[hook["resource"]["addr"]] = float(hook.get("elapsed_seconds", 0))


def _text(root: Root, arguments: Sequence[str]) -> None:
    """Runs a command that prints text for people."""
    log = log_file(f"terraform-{arguments[0]}-{root.name}")
    try:
        process.run(_command(root, arguments), log=log, cwd=root.folder, env=environ(root))
    except CommandFailedError as error:
        text = log.read_text(encoding="utf-8").replace("│", "").replace("╷", "").replace("╵", "")
        _, _, problem = text.partition("Error: ")
        summary, _, detail = problem.strip().partition("\n")
        found = [Diagnostic("error", summary, detail)] if summary else []
        raise TerraformError(found, name=root.name, log=log, code=error.code) from error


def _document(root: Root, file: Path) -> dict[str, Any]:
    text = process.capture(
        _command(root, ["show", "-json", str(file)]), cwd=root.folder, env=environ(root)
    )
    document: dict[str, Any] = json.loads(text)
    return document


def _command(root: Root, arguments: Sequence[str]) -> list[str | Path]:
    plain = [] if "-json" in arguments else ["-no-color"]
    takes_input = (
        [] if arguments[0] in ("show", "output", "state", "force-unlock") else ["-input=false"]
    )
    if arguments[0] == "state":
        plain = []
    return [tool("terraform"), arguments[0], *plain, *takes_input, *arguments[1:]]


def _variables(root: Root) -> list[str]:
    return [f"-var={name}={value}" for name, value in sorted(root.variables.items())]
