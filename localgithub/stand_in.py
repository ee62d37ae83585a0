"""Third-party actions on this machine; their action.yml calls this script with the action's name.

Each call is recorded in ``calls.jsonl``. An input that the real action would refuse is refused here as well.
"""

import fcntl
import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

from ruamel.yaml import YAML

Inputs = dict[str, str]

JOB = os.environ.get("GITHUB_JOB", "")

GIT_SECONDS = 300
WORKSPACE = Path(os.environ["GITHUB_WORKSPACE"])
#: What all jobs of the run share: the record, the artifacts, the repository.
SHARED = Path(os.environ["STAND_IN_FOLDER"])
#: The checkout that runs act; its installed packages are the cache.
HOST = Path(os.environ["STAND_IN_HOST"])
#: What a private repository's owner pays for; empty for a public one.
PLAN = os.environ.get("STAND_IN_PLAN", "")
#: A relative address by RFC 3986: a colon in its first segment would end a scheme.
RELATIVE = re.compile(r"(?![^/]*:)(?:[\w.~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})+", re.ASCII)


class RefusedError(Exception):
    """The action would have failed."""


def checkout(inputs: Inputs) -> None:
    """Clones the commit of ``ref`` with a history of ``fetch-depth``, 0 for all branches; the token is never kept."""
    if inputs["persist-credentials"] != "false":
        raise RefusedError("persist-credentials must be false")
    source = f"file://{SHARED / 'github.git'}"
    ref = inputs["ref"] or os.environ["GITHUB_SHA"]
    whole = inputs["fetch-depth"] == "0"
    depth = [] if whole else ["--depth", inputs["fetch-depth"]]
    if not (WORKSPACE / ".git").is_dir():
        _git("init", "--quiet", "--initial-branch=main")
        _git("remote", "add", "origin", source)
    elif inputs["clean"] == "true":
        _git("clean", "-ffdxq")
    if whole:
        _git("fetch", "--quiet", "origin", "+refs/heads/*:refs/remotes/origin/*")
    _git("fetch", "--quiet", "--no-tags", *depth, "origin", ref)
    _git("checkout", "--quiet", "--force", "--detach", "FETCH_HEAD")


def setup_uv(_inputs: Inputs) -> None:
    """Puts uv on PATH, and links the host's Python environments where their locks are the same."""
    fetched = HOST / ".local" / "uv" / "bin"
    if (fetched / "uv").is_file():
        _append("GITHUB_PATH", f"{fetched}\n")
    elif shutil.which("uv") is None:
        raise RefusedError("uv is neither in .local/uv of this checkout nor on PATH")
    host = HOST / ".local" / "venv"
    requirements = WORKSPACE / "requirements"
    uv = requirements / "uv.txt"
    _lend(host, WORKSPACE / ".local" / "venv", [requirements / "pipeline.txt", uv])
    for venv in sorted((HOST / ".local" / "environments-python").glob("*")):
        target = WORKSPACE / ".local" / "environments-python" / venv.name
        _lend(venv, target, [requirements / f"{venv.name}.txt", uv])


def cache(inputs: Inputs) -> None:
    """Restores folders of the workspace from the host's checkout; folders of the user are this machine's own."""
    if not inputs["path"] or not inputs["key"]:
        raise RefusedError("path and key are required")
    for name in inputs["path"].split():
        if name.startswith(("~", "/")):
            continue
        source, target = HOST / name, WORKSPACE / name
        if source.is_dir() and not target.exists():
            shutil.copytree(source, target)


def cache_save(inputs: Inputs) -> None:
    """Keeps folders of the workspace where ``cache`` restores them from."""
    if not inputs["path"] or not inputs["key"]:
        raise RefusedError("path and key are required")
    for name in inputs["path"].split():
        if (WORKSPACE / name).is_dir():
            shutil.copytree(WORKSPACE / name, HOST / name, dirs_exist_ok=True)


def upload_artifact(inputs: Inputs) -> None:
    """Copies files; hidden ones only when asked for, as the action does."""
    name, root = inputs["name"], WORKSPACE / inputs["path"].strip()
    target = SHARED / "artifacts" / name
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    if inputs["include-hidden-files"] != "true":
        files = [path for path in files if "/." not in f"/{path.relative_to(WORKSPACE)}"]
    if not files:
        if inputs["if-no-files-found"] == "error":
            raise RefusedError(f"no files were found at {inputs['path']}")
        print(f"no files were found at {inputs['path']}")
        return
    try:
        target.mkdir(parents=True)
    except FileExistsError as error:
        raise RefusedError(f"an artifact with the name {name} exists already") from error
    for path in files:
        copy = target / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)


def download_artifact(inputs: Inputs) -> None:
    """Copies the artifacts of this run: a single one into the folder itself, several each into one of its name.

    A single one also where a pattern finds it, as actions/download-artifact does.
    """
    wanted, target = inputs["name"] or inputs["pattern"] or "*", WORKSPACE / inputs["path"].strip()
    found = [each for each in SHARED.glob("artifacts/*") if fnmatch.fnmatch(each.name, wanted)]
    if inputs["name"] and not found:
        raise RefusedError(f"artifact {inputs['name']} was not found")
    alone = len(found) == 1 or inputs["merge-multiple"] == "true"
    for artifact in found:
        shutil.copytree(artifact, target if alone else target / artifact.name, dirs_exist_ok=True)


def configure_aws_credentials(inputs: Inputs) -> None:
    """Gets an identity token, then the role's credentials from STS, and exports them to the following steps."""
    role, region = inputs["role-to-assume"], inputs["aws-region"]
    if not re.fullmatch(r"arn:aws:iam::\d{12}:role/[\w+=,.@/-]+", role) or not region:
        raise RefusedError(
            "role-to-assume and aws-region are required: set the variables of docs/github.md"
        )
    endpoint = os.environ.get("STAND_IN_STS")
    if not endpoint:
        return
    token = _identity_token(inputs["audience"])
    query = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": role,
        "RoleSessionName": "GitHubActions",
        "WebIdentityToken": token,
    }
    data = urllib.parse.urlencode(query).encode()
    try:
        with urllib.request.urlopen(endpoint, data=data, timeout=30) as answer:
            text = answer.read().decode()
    except urllib.error.HTTPError as error:
        raise RefusedError(f"STS refused {role}: {error.read().decode()[:500]}") from error
    issued = dict(re.findall(r"<(AccessKeyId|SecretAccessKey|SessionToken)>([^<]+)<", text))
    names = {
        "AWS_ACCESS_KEY_ID": "AccessKeyId",
        "AWS_SECRET_ACCESS_KEY": "SecretAccessKey",
        "AWS_SESSION_TOKEN": "SessionToken",
    }
    values = {name: issued[key] for name, key in names.items()}
    print(*(f"::add-mask::{value}" for value in values.values()), sep="\n")
    for name, value in {"AWS_REGION": region, **values}.items():
        _append("GITHUB_ENV", f"{name}={value}\n")


def create_github_app_token(inputs: Inputs) -> None:
    """Gives a token that the stand-in for GitHub knows."""
    if not inputs["client-id"] or not inputs["private-key"]:
        raise RefusedError("client-id and private-key are required: see docs/github.md")
    if not any(value for name, value in inputs.items() if name.startswith("permission-")):
        raise RefusedError(
            "the token would have every right of the app: ask for single permissions"
        )
    _append("GITHUB_OUTPUT", "token=app-token\napp-slug=release-app\n")


def attest(inputs: Inputs) -> None:
    """Keeps the statement; refuses a subject that is not named by digest and an SBOM that is none."""
    if PLAN == "team":
        raise RefusedError("attestations of a private repository need GitHub Enterprise Cloud")
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", inputs["subject-digest"]):
        raise RefusedError(f"subject-digest is {inputs['subject-digest']!r}")
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)+", inputs["subject-name"]):
        raise RefusedError(f"subject-name is {inputs['subject-name']!r}, it must be a repository")
    predicate = "https://slsa.dev/provenance/v1"
    if inputs["sbom-path"]:
        document = json.loads((WORKSPACE / inputs["sbom-path"]).read_text(encoding="utf-8"))
        if "spdxVersion" not in document and document.get("bomFormat") != "CycloneDX":
            raise RefusedError(f"{inputs['sbom-path']} is neither SPDX nor CycloneDX")
        predicate = "https://spdx.dev/Document"
    statement = {"predicateType": predicate, "subject": inputs["subject-digest"]}
    with (SHARED / "attestations.jsonl").open("a", encoding="utf-8") as sink:
        sink.write(json.dumps(statement) + "\n")


def upload_sarif(inputs: Inputs) -> None:
    """Refuses what code scanning would refuse: a missing right or plan, no file, one that is not SARIF 2.1.0."""
    if PLAN and _permissions().get("actions") != "read":
        raise RefusedError("Resource not accessible by integration (get-a-workflow-run)")
    if PLAN == "team":
        raise RefusedError("GitHub Code Security must be enabled for this repository")
    where = WORKSPACE / inputs["sarif_file"]
    files = sorted(where.rglob("*.sarif")) if where.is_dir() else [where]
    if not files:
        raise RefusedError(f"no SARIF file in {inputs['sarif_file']}")
    for file in files:
        text = file.read_text(encoding="utf-8")
        document = json.loads(text)
        if document.get("version") != "2.1.0" or not document.get("runs"):
            raise RefusedError(f"{file.name} is not SARIF 2.1.0 with a run")
        for uri in re.findall(r'"uri": (".*?[^\\]")', text):
            if not RELATIVE.fullmatch(json.loads(uri)):
                raise RefusedError(f"an invalid URI was provided as a SARIF location: {uri}")


def _permissions() -> dict[str, str]:
    """The rights of the job's token."""
    for file in sorted((WORKSPACE / ".github" / "workflows").glob("*.yml")):
        job = YAML(typ="safe").load(file.read_text(encoding="utf-8"))["jobs"].get(JOB, {})
        if "steps" in job:
            return dict(job["permissions"])
    return {}


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=WORKSPACE, check=True, timeout=GIT_SECONDS)


def _lend(source: Path, target: Path, locks: list[Path]) -> None:
    stamp = source / "locked.txt"
    if not stamp.is_file() or not all(lock.is_file() for lock in locks):
        return
    if stamp.read_bytes() == b"".join(lock.read_bytes() for lock in locks) and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source, target_is_directory=True)


def _identity_token(audience: str) -> str:
    url, bearer = (os.environ.get(f"ACTIONS_ID_TOKEN_REQUEST_{name}") for name in ("URL", "TOKEN"))
    if not url or not bearer:
        raise RefusedError(
            "no identity token can be had: the job needs the permission id-token: write"
        )
    asked = {"audience": audience, "job": JOB, "target": os.environ.get("TARGET", "")}
    address = f"{url}&{urllib.parse.urlencode(asked)}"
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {bearer}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(json.loads(answer.read())["value"])


def _append(variable: str, text: str) -> None:
    with Path(os.environ[variable]).open("a", encoding="utf-8") as sink:
        sink.write(text)


def _record(action: str, inputs: Inputs) -> None:
    secret = {"private-key", "github-token", "token"}
    shown = {name: "***" if name in secret and value else value for name, value in inputs.items()}
    call = {"action": action, "job": os.environ.get("GITHUB_JOB", ""), "inputs": shown}
    with (SHARED / "calls.jsonl").open("a", encoding="utf-8") as sink:
        fcntl.flock(sink, fcntl.LOCK_EX)
        sink.write(json.dumps(call) + "\n")


ACTIONS: dict[str, Callable[[Inputs], None]] = {
    "checkout": checkout,
    "setup-uv": setup_uv,
    "cache": cache,
    "cache-save": cache_save,
    "upload-artifact": upload_artifact,
    "download-artifact": download_artifact,
    "configure-aws-credentials": configure_aws_credentials,
    "create-github-app-token": create_github_app_token,
    "attest": attest,
    "upload-sarif": upload_sarif,
}


def main() -> int:
    """Records and does one call; an action that would fail exits with 1."""
    action = sys.argv[1]
    inputs: Inputs = {name: str(value) for name, value in json.loads(os.environ["INPUTS"]).items()}
    _record(action, inputs)
    try:
        ACTIONS[action](inputs)
    except (RefusedError, subprocess.CalledProcessError, urllib.error.URLError) as error:
        print(f"::error::{action}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
