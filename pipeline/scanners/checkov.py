"""checkov: policies for Terraform, the Dockerfile, the workflows, Kubernetes manifests and the chart."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from pipeline.core import console, files, process, tools
from pipeline.core.errors import PipelineError
from pipeline.core.paths import ROOT, log_file
from pipeline.git import repository as git
from pipeline.github import actions as github
from pipeline.kubernetes import programs
from pipeline.scanners.findings import Finding, Outcome, judged, not_checked

#: checkov's name of a kind of file, and the files that make it due.
FRAMEWORKS = {
    "terraform": "infra/terraform/*.tf",
    "dockerfile": "Dockerfile",
    "github_actions": ".github/workflows/*.yml",
    "kubernetes": "argocd/*.yaml",
    "helm": "infra/helm/*/Chart.yaml",
}
#: Policies of our own, beside checkov's.
POLICIES = "infra/terraform/policies"
#: Wrong on purpose, or parts of what stands in for a cloud on one machine, which are never deployed to a real one.
SKIPPED = ("offline/cluster", "pipeline/kubernetes", "tests")
#: Git's patterns of what no policy is about: an edit of it needs no scan.
WITHOUT_POLICY = ("app/*.py", "app/*.html", "app/*.css", "app/*.js", "*.md")
#: Rules that do not apply to the rendered chart, with the reasons.
ACCEPTED_IN_CHART: dict[str, str] = files.read_yaml(
    Path(__file__).with_name("accepted-in-chart.yaml")
)


def sources(root: Path = ROOT) -> list[Path]:
    return git.files("*", *(f":!{each}" for each in (*SKIPPED, *WITHOUT_POLICY)), root=root)


def key(root: Path = ROOT) -> str:
    """A hash of all that a scan looks at, this module and checkov's lock among it."""
    return git.content_key(sources(root), root=root)


def scan(root: Path = ROOT) -> list[Outcome]:
    """Runs every policy; one outcome for each kind of file that the tree has.

    Accepted findings are marked where they are, with the reason: ``#checkov:skip=<rule>:<reason>``.
    """
    due = [name for name, pattern in FRAMEWORKS.items() if git.files(pattern, root=root)]
    outcomes: list[Outcome] = []
    environment = {**git.environment(), "LOG_LEVEL": "ERROR"}
    if "helm" in due:
        # Built only in a workflow: a laptop's deploy to ECS has no need of it.
        program = programs.program("helm") if github.running() else programs.find("helm")
        if program:
            environment["PATH"] = f"{program.parent}{os.pathsep}{environment['PATH']}"
        else:
            due.remove("helm")
            way = "./inv deploy --to kubernetes gets it"
            outcomes.append(not_checked("checkov helm", f"helm is not here yet; {way}"))
    if not due:
        raise PipelineError(
            "checkov would look at nothing", next_step="check pipeline/scanners/checkov.py"
        )
    with console.progress("checkov") as step, tempfile.TemporaryDirectory() as folder:
        tree, report = Path(folder) / "tree", Path(folder) / "report"
        # Not --skip-path: some frameworks match absolute paths, and a checkout may itself lie under a skipped name.
        git.copy(sources(root), tree, root=root)
        argv = [str(tools.tool("checkov")), "--directory", ".", "--skip-download", "--compact"]
        argv += ["--quiet", "--soft-fail", "--external-checks-dir", POLICIES]
        argv += ["--framework", *due, "--output", "json", "--output-file-path", str(report)]
        log = log_file("scan-checkov")
        process.run(argv, log=log, cwd=tree, env=environment, on_line=step.update)
        raw = json.loads((report / "results_json.json").read_text(encoding="utf-8"))
    return outcomes + [judge(name, raw) for name in due]


def judge(framework: str, raw: Any) -> Outcome:
    """The outcome for one kind of file, from checkov's JSON; PipelineError unless it parsed them all."""
    every = raw if isinstance(raw, list) else [raw]
    results = [result for result in every if result.get("check_type") == framework]
    summaries = [result["summary"] for result in results]
    if any(summary["parsing_errors"] for summary in summaries):
        raise PipelineError(
            f"checkov could not parse some {framework} files",
            next_step="run ./inv lint, which names the lines, and correct them",
        )
    states = ("passed", "failed", "skipped")
    count = sum(summary[state] for summary in summaries for state in states)
    findings = [
        Finding(
            rule=check["check_id"],
            where=check["file_path"].lstrip("/"),
            line=check["file_line_range"][0],
            message=f"{check['check_name']} ({check['resource']})",
        )
        for result in results
        for check in result["results"]["failed_checks"]
        if not (framework == "helm" and check["check_id"] in ACCEPTED_IN_CHART)
    ]
    return judged(f"checkov {framework}", count, "checks", findings)
