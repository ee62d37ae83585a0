"""The committed workflows, run by act: which jobs run, in which order, and what happens when one fails."""

import json
import os
import re
import shutil
import signal
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.core.errors import PipelineError, SilentError
from pipeline.core.paths import ROOT
from pipeline.core.tools import tool
from pipeline.core.waiting import wait
from pipeline.git import repository as git
from pipeline.github import act, rehearsal

DIGEST = f"sha256:{'a' * 64}"
EARLIER = f"sha256:{'b' * 64}"
RELEASED, ROLLED_BACK, URL = "1" * 40, "main", "https://shop.test"
NOTIFIED = f"notify --environment staging --digest {DIGEST}"
REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com/shop"
OUTPUTS = {
    "affected": {
        "stages": '["secrets", "lint", "test", "build", "scan", "plan", "diff"]',
        "environments": '["production", "staging"]',
    },
    "push": {"digest": DIGEST, "repository": REGISTRY, "sbom": "sbom.json"},
    "release": {"commit": RELEASED},
    "rollback": {"digest": EARLIER, "commit": ROLLED_BACK, "reverted": ROLLED_BACK},
    "verify": {"url": URL},
    "environments": {"environments": '["production"]'},
}


#: Every step of these runs ends within seconds.
SILENCE_SECONDS = 120


@dataclass(frozen=True)
class Result:
    """What became of a run: results by job (a matrix job once for each name) and the calls in order."""

    jobs: list[act.Job]
    tasks: list[dict[str, Any]]
    actions: list[dict[str, Any]]

    def results(self) -> dict[str, str]:
        """The result of each job id; failure when any job of a matrix failed."""
        results: dict[str, str] = {}
        for job in self.jobs:
            if results.get(job.identity) != "failure":
                results[job.identity] = job.result
        return results

    def called(self, job: str) -> list[str]:
        """The tasks that a job called, with their arguments."""
        return [
            " ".join([call["task"], *call["arguments"]])
            for call in self.tasks
            if call["job"] == job
        ]

    def told(self) -> list[list[str]]:
        """What each message about a deployment was made of: outcome, commit, its revert, whether that runs, address."""
        return [
            call["deployment"]
            for call in self.tasks
            if "--environment" in call["arguments"] and call["task"] == "notify"
        ]


def git_in(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with this checkout's workflows, where ./inv only records that it is called."""
    folder = tmp_path_factory.mktemp("source")
    git_in(folder, "init", "-q", "-b", "main")
    git_in(folder, "commit", "-q", "--allow-empty", "-m", "Start")
    for file in git.files(".github/", "environments/", "requirements/uv.txt"):
        target = folder / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, target)
    (folder / "inv").write_text(
        '#!/bin/sh\nexec "$STAND_IN_PYTHON" recorder.py "$@"\n', encoding="utf-8"
    )
    (folder / "inv").chmod(0o755)
    shutil.copy2(Path(__file__).parent / "recorder.py", folder)
    git_in(folder, "add", "--all")
    git_in(folder, "commit", "-q", "-m", "The workflows under test")
    return folder


@dataclass(frozen=True)
class Runner:
    """Runs the workflows of a repository."""

    source: Path
    folder: Path

    def __call__(self, workflow: str, event: str, **settings: Any) -> Result:
        """Runs a workflow; once more when act hung by itself, as act 0.2.89 does now and then (see act.py)."""
        try:
            return self._run(workflow, event, **{"silence_seconds": SILENCE_SECONDS, **settings})
        except SilentError:
            if settings.get("hangs"):
                raise
        return self._run(workflow, event, **settings)

    def _run(
        self,
        workflow: str,
        event: str,
        *,
        fails: tuple[str, ...] = (),
        hangs: tuple[str, ...] = (),
        outputs: dict[str, dict[str, str]] | None = None,
        **settings: Any,
    ) -> Result:
        base, commit = (git_in(self.source, "rev-parse", name) for name in ("HEAD^", "HEAD"))
        with rehearsal.prepare(
            self.folder, source=self.source, base=base, commit=commit, event=event
        ) as prepared:
            behaviour = {
                "outputs": {**OUTPUTS, **(outputs or {})},
                "fails": fails,
                "hangs": hangs,
            }
            (prepared.shared / "behaviour.json").write_text(json.dumps(behaviour), encoding="utf-8")
            jobs = rehearsal.run(
                prepared,
                workflow,
                rehearsal.Settings(**settings),
                log=self.folder / "act.log",
            )
            text = (prepared.shared / "tasks.jsonl").read_text(encoding="utf-8")
            tasks = [json.loads(line) for line in text.splitlines()]
            return Result(jobs, tasks, prepared.calls())


@pytest.fixture
def run(source: Path, tmp_path: Path) -> Runner:
    return Runner(source, tmp_path / "run")


@pytest.fixture(scope="session")
def merge(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A merge that nothing holds up."""
    return Runner(source, Path(tmp_path_factory.mktemp("merge")) / "run")("main.yml", "push")


@pytest.mark.parametrize("event", ["pull_request", "push"])
def test_a_shallow_clone_on_another_branch_is_rehearsed(
    source: Path, tmp_path: Path, event: str
) -> None:
    shallow = tmp_path / "a shallow clone"
    git_in(tmp_path, "clone", "-q", "--depth=1", f"file://{source}", str(shallow))
    git_in(shallow, "switch", "-q", "-c", "trunk")
    (shallow / "new.txt").touch()
    base, commit = git.revision(shallow), git.snapshot("The work tree under test", root=shallow)
    folder = tmp_path / "a run"
    with rehearsal.prepare(folder, source=shallow, base=base, commit=commit, event=event):
        assert (folder / "tree" / "new.txt").is_file()
        assert len(git.subjects(None, "HEAD", root=folder / "tree")) == 2


def test_act_takes_every_workflow(source: Path, tmp_path: Path) -> None:
    """Keys that GitHub has and act has not are taken out of the copy that it runs."""
    base, commit = (git_in(source, "rev-parse", name) for name in ("HEAD^", "HEAD"))
    with rehearsal.prepare(
        tmp_path / "run", source=source, base=base, commit=commit, event="push"
    ) as prepared:
        listed = subprocess.run(
            [tool("act"), "--list"],
            cwd=prepared.folder / "tree",
            env=act._environ(),
            capture_output=True,
            text=True,
            check=False,
        )
    assert listed.returncode == 0, listed.stderr
    files = {file.name for file in (source / rehearsal.WORKFLOWS).glob("*.yml")}
    assert files == set(re.findall(r"[\w-]+\.yml", listed.stdout))


def test_a_pull_request_runs_every_affected_stage_once(run: Runner) -> None:
    result = run("pull-request.yml", "pull_request")
    stages = ("secrets", "lint", "test", "build", "scan", "plan", "diff")
    jobs = ("affected", *stages, "comment", "required")
    assert result.results() == dict.fromkeys(jobs, "success")
    assert result.called("affected") == ["affected --since HEAD^1"]
    assert sorted(result.called("plan")) == [
        "plan --environment production --no-lock",
        "plan --environment staging --no-lock",
    ]
    order = [call["job"] for call in result.tasks]
    assert order[0] == "affected"
    assert set(order[-2:]) == {"comment", "required"}
    assert not any("RELEASE_TOKEN" in call["with"] for call in result.tasks)
    with_token = {call["job"] for call in result.tasks if "GITHUB_TOKEN" in call["with"]}
    assert with_token == {"lint", "comment"}


def test_a_merge_builds_pushes_deploys_commits_and_verifies_in_this_order(
    merge: Result,
) -> None:
    result = merge
    jobs = ("lint", "test", "image", "deploy", "issue", "notes")
    assert result.results() == dict.fromkeys(jobs, "success")
    beside = ("lint", "test", "issue")
    after_checks = [call for call in result.tasks if call["job"] not in beside]
    assert [" ".join([call["task"], *call["arguments"]]) for call in after_checks] == [
        "build",
        "scan --require-vulnerabilities",
        "push --environment staging",
        f"release --environment staging --digest {DIGEST} --check",
        f"plan --environment staging --digest {DIGEST}",
        "apply --environment staging",
        f"release --environment staging --digest {DIGEST}",
        f"verify --environment staging --to ecs --digest {DIGEST}",
        f"verify --environment staging --digest {DIGEST} --record",
        f"notify --environment staging --digest {DIGEST}",
        f"notes --environment staging --digest {DIGEST}",
        "history --html",
    ]
    rights = {
        name: {call["task"] for call in result.tasks if name in call["with"]}
        for name in ("RELEASE_TOKEN", "GITHUB_TOKEN")
    }
    assert rights == {
        "RELEASE_TOKEN": {"release", "verify"},
        "GITHUB_TOKEN": {"lint", "release", "issue", "notes", "history"},
    }
    attested = [call["inputs"] for call in result.actions if call["action"] == "attest"]
    assert {inputs["subject-digest"] for inputs in attested} == {DIGEST}
    assert [bool(inputs["sbom-path"]) for inputs in attested] == [False, True]


def test_the_site_is_published_where_pages_are_on(run: Runner) -> None:
    result = run("pages.yml", "push", variables={"PAGES": "true"})
    assert result.results() == {"build": "success", "publish": "success"}
    assert result.called("build") == ["docs"]
    calls = [(call["job"], call["action"]) for call in result.actions]
    assert calls[-2:] == [("build", "upload-artifact"), ("publish", "download-artifact")]
    assert {call["inputs"]["name"] for call in result.actions[-2:]} == {"github-pages"}


def test_no_site_is_built_where_pages_are_off(run: Runner) -> None:
    with pytest.raises(PipelineError, match="it has no job for it"):
        run("pages.yml", "push")


@pytest.mark.engine
def test_a_private_repository_on_team_does_without_code_scanning_and_attestations(
    run: Runner,
) -> None:
    result = run("main.yml", "push", plan="team")
    assert set(result.results().values()) == {"success"}
    assert not {"attest", "upload-sarif"} & {call["action"] for call in result.actions}
    push = next(call for call in result.tasks if call["task"] == "push")
    assert push["switches"] == {"CODE_SCANNING": "false", "ATTESTATIONS": "false"}
    request = run("pull-request.yml", "pull_request", plan="team")
    assert set(request.results().values()) == {"success"}


@pytest.mark.engine
def test_a_private_repository_on_enterprise_switches_both_on(run: Runner) -> None:
    switches = {"CODE_SCANNING": "true", "ATTESTATIONS": "true"}
    result = run("main.yml", "push", plan="enterprise", variables=switches)
    assert set(result.results().values()) == {"success"}
    assert {"attest", "upload-sarif"} <= {call["action"] for call in result.actions}
    request = run("pull-request.yml", "pull_request", plan="enterprise", variables=switches)
    assert set(request.results().values()) == {"success"}
    assert "upload-sarif" in {call["action"] for call in request.actions}


def test_what_is_released_is_built_without_caches(merge: Result) -> None:
    cached = {call["job"] for call in merge.actions if call["action"] == "cache"}
    assert cached == {"lint", "test"}
    kept = [call["inputs"]["path"] for call in merge.actions if call["action"] == "cache-save"]
    assert kept == [".local/figures"]


@pytest.mark.engine
def test_a_docs_only_change_runs_nothing_but_lint_and_the_scan_for_secrets(run: Runner) -> None:
    few = {"affected": {"stages": '["secrets", "lint"]', "environments": '["staging"]'}}
    result = run("pull-request.yml", "pull_request", outputs=few)
    jobs = ("affected", "secrets", "lint", "comment", "required")
    assert result.results() == dict.fromkeys(jobs, "success")


@pytest.mark.engine
def test_a_path_with_spaces_is_no_obstacle(source: Path, tmp_path: Path) -> None:
    run = Runner(source, tmp_path / "a run of it")
    few = {"affected": {"stages": '["lint"]', "environments": "[]"}}
    result = run("pull-request.yml", "pull_request", outputs=few)
    assert set(result.results().values()) == {"success"}
    assert result.called("lint")


@pytest.mark.engine
def test_a_failed_stage_is_commented_and_judged(run: Runner) -> None:
    result = run("pull-request.yml", "pull_request", fails=("test:test", "required:gate"))
    assert result.results()["test"] == "failure"
    assert result.results()["comment"] == "success"
    assert result.called("required") == ["gate"]
    assert result.results()["required"] == "failure"


@pytest.mark.engine
def test_when_the_decision_fails_no_stage_runs_and_the_gate_still_does(run: Runner) -> None:
    result = run(
        "pull-request.yml",
        "pull_request",
        outputs={"affected": {}},
        fails=("affected:affected", "required:gate"),
    )
    assert result.results() == {
        "affected": "failure",
        "comment": "success",
        "required": "failure",
    }


@pytest.mark.engine
def test_a_step_that_hangs_is_ended_and_named(run: Runner) -> None:
    hung = "rollback.yml hung in Back/Deploy/Deploy: Go back: no line of output for 15 s"
    with pytest.raises(SilentError, match=hung):
        run("rollback.yml", "workflow_dispatch", hangs=("deploy:rollback",), silence_seconds=15)
    assert wait(lambda: not works(run), timeout=20)


@pytest.mark.engine
def test_an_interruption_ends_the_steps_as_well(run: Runner) -> None:
    calls = run.folder / "shared" / "tasks.jsonl"

    def interrupt() -> None:
        wait(lambda: calls.exists() and '"rollback"' in calls.read_text("utf-8"), timeout=120)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            run("rollback.yml", "workflow_dispatch", hangs=("deploy:rollback",))
    finally:
        signal.signal(signal.SIGINT, before)
    assert wait(lambda: not works(run), timeout=20)


def works(run: Runner) -> bool:
    """Whether a process still works in a runner's folder."""
    folders = [process.info["cwd"] or "" for process in psutil.process_iter(["cwd"])]
    return any(folder.startswith(str(run.folder)) for folder in folders)


@pytest.mark.engine
def test_a_fork_gets_everything_that_needs_no_right(run: Runner) -> None:
    result = run("pull-request.yml", "pull_request", fork=True)
    stages = ("secrets", "lint", "test", "build", "scan", "plan", "diff")
    jobs = ("affected", *stages, "required")
    assert result.results() == dict.fromkeys(jobs, "success")
    assert [call["with"] for call in result.tasks if call["task"] == "plan"] == [["LOCAL_AWS"]] * 2
    used = {call["action"] for call in result.actions}
    assert used == {"checkout", "setup-uv", "cache", "upload-artifact"}


@pytest.mark.engine
@pytest.mark.parametrize("fails", ["image:scan", "image:build", "test:test"])
def test_nothing_is_pushed_when_an_earlier_step_fails(run: Runner, fails: str) -> None:
    result = run("main.yml", "push", fails=(fails,))
    assert not {"push", "plan", "apply", "release"} & {call["task"] for call in result.tasks}
    # act 0.2.89 passes the failure of a called workflow on to no `failure()`.
    assert result.called("notify") == (["notify"] if fails.startswith("test") else [])


@pytest.mark.engine
def test_a_failed_plan_commits_nothing_and_reverts_nothing(run: Runner) -> None:
    result = run("main.yml", "push", fails=("deploy:plan",))
    assert result.called("deploy")[:-1] == [
        f"release --environment staging --digest {DIGEST} --check",
        f"plan --environment staging --digest {DIGEST}",
    ]
    assert "notes" not in {call["task"] for call in result.tasks}
    [[outcome, change, *rest]] = result.told()
    assert (outcome, rest) == ("failure", ["", "false", ""])
    assert len(change) == 40
    assert change != RELEASED


@pytest.mark.engine
@pytest.mark.parametrize("fails", ["deploy:apply", "deploy:release"])
def test_what_fails_before_git_names_it_brings_back_what_git_names(run: Runner, fails: str) -> None:
    """An apply that fails may have changed the service before."""
    named = {"digest": EARLIER, "commit": "main"}
    result = run("main.yml", "push", fails=(fails,), outputs={"rollback": named})
    assert result.called("deploy")[-4:] == [
        f"rollback staging --failed --digest {DIGEST}",
        f"plan --environment staging --digest {EARLIER}",
        "apply --environment staging",
        NOTIFIED,
    ]
    released = f"release --environment staging --digest {DIGEST}" in result.called("deploy")
    assert released == (fails == "deploy:release")
    assert "notes" not in {call["task"] for call in result.tasks}
    assert result.told()[0][2] == ""


@pytest.mark.engine
def test_a_run_that_is_started_again_for_what_git_has_left_deploys_nothing(run: Runner) -> None:
    left: dict[str, dict[str, str]] = {"rollback": {}}
    result = run("promote.yml", "push", fails=("deploy:release --check",), outputs=left)
    assert [call.strip() for call in result.called("deploy")] == [
        "release --environment production --digest  --check",
        "rollback production --failed --digest",
        "notify --environment production --digest",
    ]


@pytest.mark.engine
def test_a_failed_verify_rolls_back_git_and_what_runs(run: Runner) -> None:
    result = run("main.yml", "push", fails=("deploy:verify",))
    assert result.results()["deploy"] == "failure"
    assert result.called("deploy")[-4:] == [
        f"rollback staging --failed --digest {DIGEST}",
        f"plan --environment staging --digest {EARLIER}",
        "apply --environment staging",
        NOTIFIED,
    ]
    assert result.told() == [["failure", RELEASED, ROLLED_BACK, "true", URL]]
    assert "notes" not in {call["task"] for call in result.tasks}
    assert result.called("issue") == ["issue --environment staging"]
    assert {call["action"] for call in result.actions if call["job"] == "issue"} >= {
        "download-artifact"
    }


@pytest.mark.engine
def test_what_answers_is_not_rolled_back_for_want_of_its_note(run: Runner) -> None:
    result = run("main.yml", "push", fails=("deploy:verify --record",))
    assert result.results()["deploy"] == "success"
    assert result.told() == [["success", RELEASED, "", "false", URL]]
    assert "notify" not in result.results()
    assert "rollback" not in {call["task"] for call in result.tasks}


@pytest.mark.engine
def test_with_a_cluster_the_sync_comes_before_both_are_verified(run: Runner) -> None:
    result = run("main.yml", "push", variables={"KUBERNETES_ENABLED": "true"})
    assert result.called("deploy")[-6:] == [
        f"release --environment staging --digest {DIGEST}",
        "sync --environment staging",
        f"verify --environment staging --to ecs --digest {DIGEST}",
        f"verify --environment staging --to kubernetes --digest {DIGEST}",
        f"verify --environment staging --digest {DIGEST} --record",
        NOTIFIED,
    ]


@pytest.mark.engine
def test_with_a_cluster_the_way_back_is_synced_as_well(run: Runner) -> None:
    cluster = {"KUBERNETES_ENABLED": "true"}
    result = run("main.yml", "push", variables=cluster, fails=("deploy:verify kubernetes",))
    assert result.called("deploy")[-5:] == [
        f"rollback staging --failed --digest {DIGEST}",
        f"plan --environment staging --digest {EARLIER}",
        "apply --environment staging",
        "sync --environment staging",
        NOTIFIED,
    ]


@pytest.mark.engine
def test_a_promotion_is_proposed_by_hand_and_deployed_when_merged(run: Runner) -> None:
    inputs = {"source": "staging", "target": "production", "digest": DIGEST, "override": "urgent"}
    proposed = run("promote.yml", "workflow_dispatch", inputs=inputs)
    assert proposed.called("propose") == [
        f"promote staging production --digest {DIGEST} --override urgent"
    ]
    merged = run("promote.yml", "push")
    assert merged.called("changed")[0].startswith("environments --since ")
    assert [call.strip() for call in merged.called("deploy")] == [
        "release --environment production --digest  --check",
        "plan --environment production --digest",
        "apply --environment production",
        "verify --environment production --to ecs --digest",
        "verify --environment production --digest  --record",
        "notify --environment production --digest",
    ]


@pytest.mark.engine
def test_a_failed_promotion_is_reverted(run: Runner) -> None:
    result = run("promote.yml", "push", fails=("deploy:verify",))
    assert result.called("deploy")[-4] == "rollback production --failed --digest "


@pytest.mark.engine
def test_a_rollback_by_hand_deploys_what_it_reverted_to(run: Runner) -> None:
    result = run(
        "rollback.yml",
        "workflow_dispatch",
        inputs={"environment": "production", "revision": "abc", "reason": "it is slow"},
    )
    assert [" ".join([call["task"], *call["arguments"]]) for call in result.tasks] == [
        "rollback production --revision abc --reason it is slow",
        "release --environment production --digest  --check",
        "plan --environment production --digest ",
        "apply --environment production",
        "verify --environment production --to ecs --digest ",
        "verify --environment production --digest  --record",
        "notify --environment production --digest ",
        "issue --environment production",
    ]
    assert result.told() == [["success", ROLLED_BACK, "", "false", URL]]


@pytest.mark.engine
def test_drift_is_reported_even_when_a_comparison_fails(run: Runner) -> None:
    result = run("drift.yml", "schedule", fails=("drift:drift",))
    assert result.called("issue") == ["issue", "notify"]
    assert result.called("drift") == ["drift --environment production"]
