"""The comment of a pull request, rendered as GitHub renders Markdown: cmark-gfm, and GitHub's style from npm.

The reports are the stages' own: the diff is rendered from a clone with a change, lint is ruff on a file with faults.
The figures of plan, test, build and scan are made up, but written as their stages write them.
"""

import hashlib
import re
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest

from pipeline.commands import build, comment, diff, lint, scan
from pipeline.commands import test as tests
from pipeline.core import process
from pipeline.core.errors import CommandFailedError, PipelineError
from pipeline.core.paths import ROOT
from pipeline.core.tools import python_environment, tool
from pipeline.git import repository as git
from pipeline.github import reports
from pipeline.github.gate import Job
from pipeline.images.app import Record
from pipeline.releases import environments
from pipeline.scanners import findings
from pipeline.scanners.findings import Finding
from pipeline.terraform import cost, plan_summary
from tests.screenshots.camera import PHONE, Camera

#: GitHub's style of rendered Markdown (MIT), as npm has it.
STYLE, SHA256 = (
    "github-markdown-css@5.9.0",
    "291a28816709426a8a348c8db497c6f2c625ec5e596d3406770dcfff975233b4",
)
RENDER = """
import sys
from cmarkgfm import github_flavored_markdown_to_html
from cmarkgfm.cmark import Options
print(github_flavored_markdown_to_html(sys.stdin.read(), Options.CMARK_OPT_UNSAFE))
"""
PAGE = """<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<style>
STYLE
body { margin: 0; padding: 24px; background: #fff }
.comment { border: 1px solid #d1d9e0; border-radius: 6px; max-width: 860px; margin: auto }
.who { background: #f6f8fa; color: #59636e; padding: 8px 16px; font: 14px sans-serif; border-bottom: 1px solid #d1d9e0 }
.who b { color: #1f2328 }
.markdown-body { padding: 16px; font-size: 14px; border-radius: 6px }
@media (max-width: 500px) { body { padding: 8px } }
@media (prefers-color-scheme: dark) {
  body { background: #0d1117 } .comment, .who { border-color: #3d444d }
  .who { background: #151b23; color: #9198a1 } .who b { color: #f0f6fc }
}
</style>
<div class="comment"><div class="who"><b>github-actions</b> bot commented</div>
<div class="markdown-body">BODY</div></div>"""
COMMIT = "0c5d1e7a9b3f4e6d8c2a1b0f9e8d7c6b5a4f3e2d"
#: The reports of the last picture, and of Kubernetes' objects the one that fits into it.
UNFOLDED = re.compile("<details>(?=<summary>(Kubernetes|staging: Deployment|Lint|Scan))")
BUILT = Record(
    image="shop:1.4.2",
    image_id="sha256:1",
    version="1.4.2",
    revision=COMMIT,
    created="",
    size=158_300_000,
    seconds=41.3,
    base="python",
    base_equivalent=False,
)
WORKFLOW = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/shop",
    "GITHUB_RUN_ID": "1",
    "GITHUB_BASE_REF": "main",
}


def take(camera: Camera) -> None:
    """Pictures of a change that is not mergeable yet, in both schemes, on a phone, and with reports unfolded."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for name, value in WORKFLOW.items():
            patch.setenv(name, value)
        made = _reports(Path(folder))
        passed = {"secrets", "test", "build", "plan", "diff", "scan"}
        jobs = [
            *(Job(name, "success", True, "") for name in sorted(passed - {"scan"})),
            *(Job(name, "failure", False, "see its log") for name in ("lint", "scan")),
        ]
        refused = _page(Path(folder) / "refused.html", jobs, made)
        camera.take("comment", refused, (908, 400), whole=True)
        camera.take("comment-dark", refused, (908, 400), scheme="dark", whole=True)
        camera.take("comment-phone", refused, PHONE)
        unfolded = Path(folder) / "unfolded.html"
        text = (Path(folder) / "refused.html").read_text(encoding="utf-8")
        unfolded.write_text(UNFOLDED.sub("<details open>", text), encoding="utf-8")
        camera.take("comment-unfolded", unfolded.as_uri(), (908, 400), whole=True)


def _page(file: Path, jobs: list[Job], made: dict[str, str]) -> str:
    """The address of the page with the comment."""
    text = comment.body(jobs, made)
    python = python_environment("screenshots") / "bin" / "python"
    body = process.capture([python, "-c", RENDER], stdin=text)
    page = PAGE.replace("STYLE", _style(file.parent)).replace("BODY", body)
    file.write_text(page, encoding="utf-8")
    return file.as_uri()


def _style(folder: Path) -> str:
    packed = process.capture(["npm", "pack", "--silent", STYLE], cwd=folder).strip()
    archive = folder / packed
    if (found := hashlib.sha256(archive.read_bytes()).hexdigest()) != SHA256:
        raise PipelineError(f"{STYLE} has the checksum {found}", next_step="look at the package")
    with tarfile.open(archive) as content:
        member = content.extractfile("package/github-markdown.css")
        assert member
        return member.read().decode()


def _reports(folder: Path) -> dict[str, str]:
    """The reports, as the comment's job collects them."""
    written = {
        "plan-staging": _plan(),
        "diff": _diff(folder / "clone"),
        "lint": _lint(folder / "lint"),
        "test": tests.report("fast", "412 passed in 96.41s"),
        "build": build.report(BUILT, {"commit": COMMIT, "size": 158_100_000}).markdown,
        "scan": _scan(),
    }
    for name, text in written.items():
        file = folder / "reports" / f"report-{name}" / f"{name.partition('-')[0]}.md"
        file.parent.mkdir(parents=True)
        file.write_text(text, encoding="utf-8")
    return reports.collect(folder / "reports")


def _plan() -> str:
    """One task more, each with twice the memory, and an alarm."""

    def values(count: int, memory: str) -> list[tuple[str, dict[str, Any]]]:
        return [
            ("aws_ecs_task_definition", {"family": "shop", "cpu": "256", "memory": memory}),
            ("aws_ecs_service", {"desired_count": count}),
            ("aws_lb", {}),
            ("aws_subnet", {}),
            ("aws_subnet", {}),
            ("aws_db_instance", {"instance_class": "db.t4g.micro", "allocated_storage": 20}),
        ]

    def state(count: int, memory: str) -> dict[str, Any]:
        resources = [
            {"type": kind, "mode": "managed", "address": f"{kind}.x{number}", "values": each}
            for number, (kind, each) in enumerate(values(count, memory))
        ]
        return {"root_module": {"child_modules": [{"resources": resources}]}}

    changes = (
        (
            "module.service.aws_ecs_service.app",
            ["update"],
            {"desired_count": 2},
            {"desired_count": 3},
        ),
        (
            "module.service.aws_ecs_task_definition.app",
            ["delete", "create"],
            {"memory": "512"},
            {"memory": "1024"},
        ),
        ("module.alarms.aws_cloudwatch_metric_alarm.memory", ["create"], None, {"threshold": 80}),
    )
    document = {
        "planned_values": state(3, "1024"),
        "prior_state": {"values": state(2, "512")},
        "resource_changes": [
            {
                "address": address,
                "type": address.split(".")[-2],
                "mode": "managed",
                "change": {"actions": actions, "before": before, "after": after},
            }
            for address, actions, before, after in changes
        ],
    }
    staging = environments.load("staging")
    bill = cost.of_plan(document, staging.raw["aws"]["region"], staging.raw["aws"])
    summary = plan_summary.summarise(document, "staging")
    return plan_summary.as_markdown(summary, extra=cost.as_markdown(bill))


def _diff(clone: Path) -> str:
    """One replica more and an annotation in staging."""
    git.run("clone", "--quiet", "--shared", ROOT, clone)
    file = clone / "environments" / "staging.yaml"
    text = file.read_text(encoding="utf-8")
    count = int(text.partition("replicaCount: ")[2].split()[0])
    text = text.replace(f"replicaCount: {count}", f"replicaCount: {count + 1}")
    file.write_text(f"{text}podAnnotations: {{team: web}}\n", encoding="utf-8")
    return diff.run("HEAD", root=clone).markdown


def _lint(folder: Path) -> str:
    """ruff's findings in a file with two faults, and the failure that the task makes of them."""
    folder.mkdir()
    (folder / "shop.py").write_text("import os\n\nlimit = None\nprint(limit == None)\n")
    argv: list[str | Path] = [
        tool("ruff"),
        "check",
        "--isolated",
        "--select=E,F",
        "--output-format=concise",
        ".",
    ]
    log = folder / "log"
    try:
        process.run(argv, cwd=folder, log=log)
    except CommandFailedError:
        found = log.read_text(encoding="utf-8").partition("\n")[2].strip()
    error = lint.failure({"ruff check": found}, 17)
    return f"{error.report}\n\n{reports.failure(error.cause, error.next_step)}"


def _scan() -> str:
    flaw = Finding(
        "CVE-2026-4242", "libxml2 2.9.14", 0, "heap overflow, fixed in 2.9.14-2", fails=False
    )
    open_bucket = Finding(
        "CKV_AWS_145",
        "infra/terraform/modules/logs/main.tf",
        12,
        "Ensure that S3 buckets are encrypted with KMS",
    )
    outcomes = [
        findings.judged("checkov", 96, "resources", [open_bucket]),
        findings.judged("secrets in the tree", 912, "files", []),
        findings.judged("secrets in the history", 1204, "commits", []),
        findings.judged(scan.VULNERABILITIES[0], 143, "packages", [flaw]),
        findings.judged(scan.VULNERABILITIES[1], 212, "packages", []),
    ]
    known: dict[str, Any] = {"commit": COMMIT, **{name: [] for name in scan.VULNERABILITIES}}
    text = scan.report(outcomes, scan.since(known, scan.vulnerabilities(outcomes)))
    failure = reports.failure(
        "1 finding in checkov",
        "fix what is listed, or accept it with a reason (docs/scanning.md)",
    )
    return f"{text}\n\n{failure}"
