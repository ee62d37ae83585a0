"""The workflows call what a laptop calls: every step is one task that exists, and has the rights that it needs."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from invoke.parser import Parser
from invoke.parser.context import ParserContext
from ruamel.yaml import YAML

import tasks
from pipeline.attestations import key_file
from pipeline.commands import rehearse
from pipeline.core.paths import ROOT
from pipeline.core.process import GRACE_SECONDS
from pipeline.git import repository as git
from pipeline.github import notifications, rehearsal
from pipeline.releases import environments, history
from pipeline.targets import ecs
from pipeline.terraform.run import APPLY_SECONDS

WORKFLOWS = {
    file.name: YAML(typ="safe").load(file.read_text(encoding="utf-8"))
    for file in sorted((ROOT / rehearsal.WORKFLOWS).glob("*.yml"))
}
SETUP = "./.github/actions/setup"
#: What a step that uses an action, or a task that is called, needs of its job.
NEEDED_BY_ACTION = {
    "aws-actions/configure-aws-credentials": {"id-token": "write"},
    "github/codeql-action/upload-sarif": {"security-events": "write", "actions": "read"},
    "actions/attest": {"id-token": "write", "attestations": "write"},
    "actions/checkout": {"contents": "read"},
    "actions/deploy-pages": {"pages": "write", "id-token": "write"},
}
NEEDED_BY_TASK = {
    "comment": {"pull-requests": "write"},
    "issue": {"issues": "write"},
    "preview": {"deployments": "write", "pull-requests": "write"},
    "expire-previews": {"actions": "read", "deployments": "write", "pull-requests": "write"},
    "notes": {"contents": "write"},
}
#: Tasks that read GitHub with the job's token: the branch, or the API without the limit for unknown callers.
READERS = {"lint", "sync", "history", "release --check"}
#: Tasks that read or write the cloud: the job assumes a role first (or is a rehearsal).
CLOUD_TASKS = {"push", "plan", "apply", "verify", "drift", "promote"}
#: Tasks that push to Git, with the app's token and from main alone.
GIT_TASKS = {"release", "promote", "rollback", "upgrade", "verify --record"}
#: Tasks that read more of the history than the newest commit: secrets, releases, a promoted revision.
HISTORY_TASKS = {
    "scan",
    "plan",
    "diff",
    "history",
    "drift",
    "release",
    "release --check",
    "rollback",
    "promote",
    "notes",
    "verify --record",
}
#: Tasks that ask a cluster, where one is in use, by the kubeconfig of an account.
CLUSTER_TASKS = {"sync", "drift", "verify --to kubernetes", "verify --record"}
#: Actions that the plan of a private repository may not include, each with the variable that switches it on.
SWITCHES = {"github/codeql-action/upload-sarif": "CODE_SCANNING", "actions/attest": "ATTESTATIONS"}
#: Once for each account, by an administrator, before any workflow can run.
NOT_IN_WORKFLOWS = {"account"}


@dataclass(frozen=True)
class Step:
    """One step of a job."""

    workflow: str
    job: str
    content: dict[str, Any]
    environment: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.workflow} {self.job}: {self.content.get('name')}"

    @property
    def words(self) -> list[str]:
        """The words of ``run``, variables still in it; without the shell's ``exec``."""
        words = shlex.split(self.content["run"])
        return words[words[0] == "exec" :]


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for workflow, content in WORKFLOWS.items():
        for name, job in content["jobs"].items():
            yield workflow, name, job


def steps() -> list[Step]:
    return [
        Step(workflow, name, step, {**job.get("env", {}), **step.get("env", {})})
        for workflow, name, job in jobs()
        for step in job.get("steps", [])
    ]


RUNS = [step for step in steps() if "run" in step.content]
PARSER_CONTEXTS: list[ParserContext] = tasks.ns.to_contexts()
STAGES = {step.words[1] for step in RUNS}


def test_the_workflows_are_here() -> None:
    assert set(WORKFLOWS) >= {
        "pull-request.yml",
        "main.yml",
        "promote.yml",
        "rollback.yml",
        "drift.yml",
    }
    assert len(RUNS) >= 20


@pytest.mark.parametrize("step", RUNS, ids=str)
def test_each_run_is_one_task_with_arguments_that_it_takes(step: Step) -> None:
    run = step.content["run"]
    assert re.fullmatch(r"(exec )?\./inv [a-z-]+( [\w\"$^=./-]+)*", run), (
        "one task, nothing of a shell's"
    )
    assert step.content.get("shell") is None
    names = re.findall(r"\$(\w+)", run)
    assert all(f'"${name}"' in run for name in names), "a variable stands in quotes"
    assert set(names) <= set(step.environment), "a variable comes from `env` of the step or job"
    words = [re.sub(r"\$\w+", "1", word) for word in step.words[1:]]
    parsed = Parser(contexts=PARSER_CONTEXTS).parse_argv(words)
    assert [context.name for context in parsed] == [words[0]]
    assert not parsed[0].missing_positional_args


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_a_step_leads_to_the_module_of_its_name(stage: str) -> None:
    assert (ROOT / "pipeline" / "commands" / f"{stage.replace('-', '_')}.py").is_file()


@pytest.mark.parametrize("step", [step for step in steps() if "run" not in step.content], ids=str)
def test_each_other_step_is_the_setup_or_a_pinned_action(step: Step) -> None:
    uses = step.content["uses"]
    assert uses == SETUP or re.fullmatch(r"[\w.-]+(/[\w.-]+)+@[0-9a-f]{40}", uses)


def test_no_script_and_no_step_name_holds_an_expression() -> None:
    assert not [str(step) for step in RUNS if "${{" in step.content["run"]]


def test_what_the_laptop_runs_is_in_a_workflow_and_the_other_way_round() -> None:
    laptop = set(ecs.STAGES)
    cloud = {
        step.words[1] for step in RUNS if step.workflow in ("main.yml", "image.yml", "deploy.yml")
    }
    assert laptop - NOT_IN_WORKFLOWS <= cloud
    only_in_workflows = {task.name for task in tasks.GROUPS["In workflows"]}
    # lint and history are no stages of deploy: on a laptop they are asked for, in a workflow they are not.
    assert cloud - laptop - only_in_workflows - GIT_TASKS <= {"lint", "sync", "history"}


def test_a_pull_request_asks_for_each_of_the_stages_that_can_be_left_out() -> None:
    from pipeline.github import affected  # noqa: PLC0415

    ids = set(WORKFLOWS["pull-request.yml"]["jobs"])
    assert ids == {*affected.STAGES, "affected", "comment", "required"}
    for stage in affected.STAGES:
        job = WORKFLOWS["pull-request.yml"]["jobs"][stage]
        assert job["if"] == f"contains(fromJSON(needs.affected.outputs.stages || '[]'), '{stage}')"
    required = WORKFLOWS["pull-request.yml"]["jobs"]["required"]
    assert set(required["needs"]) == {*affected.STAGES, "affected"}
    assert required["if"] == "always()"


def test_a_rehearsed_merge_expects_every_job_but_what_a_failure_starts() -> None:
    names = set()
    for name, job in WORKFLOWS["main.yml"]["jobs"].items():
        called = Path(job.get("uses", "")).name
        names |= set(WORKFLOWS[called]["jobs"]) if called else {name}
    assert names - {"notify"} == set(rehearse.MERGE_JOBS)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_has_no_right_of_its_own(name: str) -> None:
    assert WORKFLOWS[name]["permissions"] == {}


@pytest.mark.parametrize(
    ("workflow", "name", "job"),
    tuple(jobs()),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_job_has_the_rights_that_it_needs_and_no_other(
    workflow: str, name: str, job: dict[str, Any]
) -> None:
    needed: dict[str, str] = {}
    if "uses" in job:
        for _, inner in WORKFLOWS[Path(job["uses"]).name]["jobs"].items():
            needed.update(inner["permissions"])
    for step in job.get("steps", []):
        needed.update(NEEDED_BY_ACTION.get(step.get("uses", "").partition("@")[0], {}))
        if "run" in step:
            needed.update(NEEDED_BY_TASK.get(step["run"].split()[1], {}))
    assert job["permissions"] == needed


def test_the_key_that_signs_reaches_the_push_alone() -> None:
    """Neither a build step of a dependency's nor a pull request's job can read it."""
    secret = "${{ secrets.IMAGE_SIGNING_KEY }}"
    (push,) = (step for step in RUNS if secret in str(step.content))
    assert (push.workflow, push.words) == (
        "image.yml",
        ["./inv", "push", "--environment", "staging"],
    )
    assert push.content["env"] == {key_file.VARIABLE: secret}
    (passed,) = (
        (name, job["uses"])
        for name, workflow in WORKFLOWS.items()
        for job in workflow["jobs"].values()
        if secret in str(job.get("secrets", ""))
    )
    assert passed == ("main.yml", "./.github/workflows/image.yml")


def test_a_called_workflow_is_passed_each_secret_by_its_name() -> None:
    """An environment's secret takes the place of the one that is passed; of what is not passed GitHub gives nothing."""
    called = 0
    for workflow in WORKFLOWS.values():
        for job in workflow["jobs"].values():
            content = WORKFLOWS.get(job.get("uses", "").rpartition("/")[2])
            if content is None:
                continue
            called += 1
            declared = content["on"]["workflow_call"].get("secrets", {})
            assert job.get("secrets", {}) == {
                name: f"${{{{ secrets.{name} }}}}" for name in declared
            }
    assert called >= 4


def test_the_reports_that_a_later_job_fetches_bear_the_name_of_their_job() -> None:
    """``reports`` names their folder by it, because a single artifact is unpacked without its own name."""
    for workflow in ("deploy.yml", "drift.yml", "pull-request.yml"):
        keeping = [
            step
            for step in steps()
            if step.workflow == workflow
            and step.content.get("uses", "").startswith("actions/upload-artifact@")
            and (
                step.content["with"]["path"] == ".local/reports/"
                or step.content["with"]["name"].startswith("report-")
            )
        ]
        assert keeping
        for step in keeping:
            environment = step.environment.get("TARGET", "")
            expected = f"report-{step.job}{environment and f'-{environment}'}"
            assert step.content["with"]["name"] == expected
            assert step.content["with"]["path"] == ".local/reports/"


def test_the_webhook_s_address_reaches_what_notifies_alone() -> None:
    """Whatever does not take the message, the deployment is what it is."""
    secret = "${{ secrets.NOTIFICATION_URL }}"
    notifying = [step for step in RUNS if step.words[1] == "notify"]
    assert [step.workflow for step in notifying] == ["deploy.yml", "drift.yml", "main.yml"]
    assert [str(step) for step in steps() if secret in str(step.content)] == [*map(str, notifying)]
    assert all(step.content["env"][notifications.ADDRESS] == secret for step in notifying)
    assert not [job for *_, job in jobs() if secret in str(job.get("env", ""))]
    released, compared, _ = notifying
    assert released.content["if"] == "always()"
    assert released.content["continue-on-error"] is compared.content["continue-on-error"] is True
    passed = [
        f"{workflow} {name}"
        for workflow, name, job in jobs()
        if job.get("secrets", {}).get("NOTIFICATION_URL") == secret
    ]
    assert passed == ["main.yml deploy", "promote.yml deploy", "rollback.yml deploy"]


def test_an_issue_that_cannot_be_written_decides_nothing() -> None:
    """A server's error at GitHub, or a repository without Issues, makes no deployment a failed one."""
    writing = [step for step in RUNS if step.words[1] == "issue"]
    assert [step.workflow for step in writing] == ["deploy.yml", "drift.yml"]
    for step in writing:
        assert step.content["continue-on-error"] is True, str(step)
        _checkout, _setup, *rest = WORKFLOWS[step.workflow]["jobs"][step.job]["steps"]
        assert all(other.get("continue-on-error") is True for other in rest), str(step)
    # What was deployed without a digest stands in Git from the start, also when a reviewer rejects the deployment.
    change = writing[0].environment["CHANGE"]
    assert "inputs.digest == '' && !inputs.back && github.sha" in change


@pytest.mark.parametrize("step", RUNS, ids=str)
def test_a_task_has_what_it_works_with(step: Step) -> None:
    job = WORKFLOWS[step.workflow]["jobs"][step.job]
    before = job["steps"][: job["steps"].index(step.content)]
    used = [earlier.get("uses", "").partition("@")[0] for earlier in before]
    assert used[:2] == ["actions/checkout", SETUP]
    task, options = step.words[1], (" --to kubernetes", " --record", " --check")
    task += "".join(option for option in options if option in step.content["run"])
    if task in HISTORY_TASKS or "--since" in step.words[:-1]:
        checkouts = [each for each in before if "actions/checkout" in each.get("uses", "")]
        # `affected` compares a merge with its first parent.
        assert checkouts[-1]["with"].get("fetch-depth") == (2 if task == "affected" else 0)
    if task in CLUSTER_TASKS:
        assert re.fullmatch(
            r"\$\{\{ secrets\.KUBECONFIG(_READER)? \}\}", step.environment["KUBECONFIG_CONTENT"]
        )
        promised = str(step.content.get("if", "")), step.environment.get("KUBERNETES_ENABLED", "")
        assert any("vars.KUBERNETES_ENABLED" in text for text in promised)
    if task.split()[0] in CLOUD_TASKS:
        assert "aws-actions/configure-aws-credentials" in used
    if task in GIT_TASKS:
        assert "actions/create-github-app-token" in used
        assert "environment" in job, "the app's key is a secret of the GitHub environment"
        token = re.fullmatch(
            r"\$\{\{ steps\.([\w-]+)\.outputs\.token \}\}", step.environment["RELEASE_TOKEN"]
        )
        assert step.environment["RELEASE_APP"] == step.environment["RELEASE_TOKEN"].replace(
            "outputs.token", "outputs.app-slug"
        )
        apps = {each.get("id") for each in before if "create-github-app" in each.get("uses", "")}
        assert token
        assert token[1] in apps
    else:
        assert "RELEASE_TOKEN" not in step.environment
    if task in NEEDED_BY_TASK or task in READERS:
        assert step.environment["GITHUB_TOKEN"] == "${{ github.token }}"
    else:
        assert "GITHUB_TOKEN" not in step.environment


@pytest.mark.parametrize("action", SWITCHES)
def test_what_a_plan_may_not_include_is_switched_on_by_a_variable(action: str) -> None:
    used = [step for step in steps() if step.content.get("uses", "").startswith(f"{action}@")]
    assert len(used) == 2
    for step in used:
        switch = SWITCHES[action]
        assert f"env.{switch} == 'true'" in step.content["if"], str(step)
        default = f"vars.{switch} || !github.event.repository.private"
        assert step.environment[switch] == f"${{{{ {default} }}}}", str(step)
        # The scanners' own files hold the accepted findings as well.
        report = step.content["with"].get("sarif_file", ".local/reports/scan.sarif")
        assert report == ".local/reports/scan.sarif", str(step)


def caching(value: str) -> list[tuple[str, str, dict[str, Any], dict[str, str]]]:
    """Workflow, id and content of each job whose set-up has this ``cache``, and what else it passes."""
    return [
        (step.workflow, step.job, WORKFLOWS[step.workflow]["jobs"][step.job], step.content["with"])
        for step in steps()
        if step.content.get("uses") == SETUP and step.content["with"]["cache"] == value
    ]


def test_a_cache_that_a_job_writes_is_its_own() -> None:
    """GitHub never changes an entry: the first job to end would save its few tools for all.

    It asks for main's entries only where no key matches one of the pull request's own.
    """
    setup = YAML(typ="safe").load(ROOT / SETUP / "action.yml")["runs"]["steps"]
    caches = [step for step in setup if "actions/cache@" in step["uses"]]
    assert len(caches) == 2
    own = "-${{ github.job }}-${{ inputs.part }}-"
    # The tools that most jobs need, from a job that has saved them on main.
    assert ("main.yml", "lint") in [each[:2] for each in caching("true")]
    for step in caches:
        assert step["if"] == "inputs.cache == 'true'"
        assert own in step["with"]["key"]
        for key in step["with"]["restore-keys"].strip().split("\n"):
            assert key.endswith((own, "-lint--")), key


def test_jobs_that_share_a_cache_need_the_same() -> None:
    written: dict[tuple[str, str], set[str]] = {}
    for workflow, name, job, passed in caching("true"):
        part = passed.get("part", "")
        if "strategy" in job:
            assert part == "${{ strategy.job-index }}", f"{workflow} {name}"
        written.setdefault((name, part), set()).add(workflow)
    # A pull request's job reads what main's job of its name has saved.
    shared = {key: workflows for key, workflows in written.items() if len(workflows) > 1}
    assert shared
    assert all(each == {"main.yml", "pull-request.yml"} for each in shared.values()), shared


def test_a_job_that_only_decides_judges_or_tells_saves_no_cache() -> None:
    deciding = {"affected", "comment", "gate", "environments", "issue", "notify", "versions"}
    saving = {(workflow, name) for workflow, name, *_ in caching("true")}
    for workflow, name, job in jobs():
        called = {step["run"].split()[1] for step in job.get("steps", []) if "run" in step}
        if called and called <= deciding:
            assert (workflow, name) not in saving, f"{workflow} {name}"
    setup = YAML(typ="safe").load(ROOT / SETUP / "action.yml")["runs"]["steps"]
    [uv] = [step["with"] for step in setup if "setup-uv@" in step["uses"]]
    assert uv["save-cache"] == "${{ inputs.cache == 'true' }}"


def test_the_apply_role_is_assumed_in_a_protected_environment_only() -> None:
    for workflow, name, job in jobs():
        for step in job.get("steps", []):
            if "AWS_APPLY_ROLE_ARN" in str(step.get("with", {})):
                assert "environment" in job, f"{workflow} {name}"
    for job in WORKFLOWS["pull-request.yml"]["jobs"].values():
        assert "environment" not in job


def test_a_job_that_assumes_a_role_is_a_deployment_of_its_environment() -> None:
    """Whether the identity token of one without a deployment names the environment is documented nowhere."""
    without = {
        f"{workflow} {name}": job["permissions"]
        for workflow, name, job in jobs()
        if isinstance(job.get("environment"), dict)
        and job["environment"].get("deployment") is False
    }
    assert without == {"upgrade.yml propose": {"contents": "read"}}


def test_the_environments_of_a_matrix_come_from_the_files() -> None:
    matrices = {
        f"{workflow} {name}": job["strategy"]["matrix"]["environment"]
        for workflow, name, job in jobs()
        if "environment" in job.get("strategy", {}).get("matrix", {})
    }
    assert len(matrices) == 3
    for name, value in matrices.items():
        assert re.match(r"\$\{\{ fromJSON\(needs\.\w+\.outputs\.environments ", str(value)), name


def test_every_job_ends_by_itself_on_a_pinned_runner() -> None:
    for workflow, name, job in jobs():
        if "steps" in job:
            assert job["runs-on"] == "ubuntu-24.04", f"{workflow} {name}"
            # What deploys is one job: its steps have limits of their own, so that one that hangs is rolled back.
            limits = [step.get("timeout-minutes", 0) for step in job["steps"]]
            assert 0 < job["timeout-minutes"] <= max(60, 20 + sum(limits)), f"{workflow} {name}"


def test_an_apply_ends_before_its_step_does_and_hears_the_signals_of_github() -> None:
    """GitHub signals the step's first process alone, and what it leaves goes on until the job ends."""
    applies = [step for step in RUNS if step.words[1] == "apply"]
    assert len(applies) == 2
    for step in applies:
        assert step.content["timeout-minutes"] * 60 > APPLY_SECONDS + GRACE_SECONDS + 60
    for step in RUNS:
        if step.workflow == "deploy.yml" and step.words[1] in {"plan", "apply", "sync"}:
            assert step.content["run"].startswith("exec ./inv "), str(step)


def test_what_verifies_does_so_with_a_session_of_its_own_that_can_only_read() -> None:
    """A role's session lasts an hour, which an apply and a sync can use up."""
    steps_of_job = WORKFLOWS["deploy.yml"]["jobs"]["deploy"]["steps"]
    first = next(i for i, step in enumerate(steps_of_job) if "./inv verify" in step.get("run", ""))
    assert "fromJSON(vars.AWS_ROLES).read" in str(steps_of_job[first - 1]["with"])


def test_every_night_runs_what_takes_minutes() -> None:
    marked = {
        str(file.relative_to(ROOT))
        for file in git.files("tests/**/test_*.py")
        if "pytest.mark.long" in file.read_text(encoding="utf-8") and file != Path(__file__)
    }
    nightly = WORKFLOWS["nightly.yml"]["jobs"]
    assert set(nightly["long"]["strategy"]["matrix"]["tests"]) == marked
    assert "./inv test" in [step.get("run") for step in nightly["test"]["steps"]]
    assert "./inv versions" in [step.get("run") for step in nightly["versions"]["steps"]]


def test_what_a_job_reads_of_another_is_an_output_of_a_job_it_needs() -> None:
    for workflow, name, job in jobs():
        for other, output in re.findall(r"needs\.([\w-]+)\.outputs\.([\w-]+)", str(job)):
            assert other in job["needs"], f"{workflow} {name}"
            source = WORKFLOWS[workflow]["jobs"][other]
            if "uses" in source:
                source = WORKFLOWS[Path(source["uses"]).name]["on"]["workflow_call"]
            assert output in source["outputs"], f"{workflow} {name}"
        for other in re.findall(r"needs\.([\w-]+)\.result", str(job)):
            assert other in job["needs"], f"{workflow} {name}"


def test_no_checkout_keeps_the_token_and_no_workflow_runs_a_strangers_code_with_rights() -> None:
    for step in steps():
        if step.content.get("uses", "").startswith("actions/checkout@"):
            assert step.content["with"]["persist-credentials"] is False, str(step)
    triggers = {trigger for content in WORKFLOWS.values() for trigger in content["on"]}
    ordinary = {"pull_request", "push", "workflow_dispatch", "workflow_call", "schedule"}
    assert triggers - ordinary == {"pull_request_target"}


def test_what_a_strangers_event_starts_with_rights_runs_mains_code_alone() -> None:
    """GitHub gives `pull_request_target` main's token, secrets and caches: it checks out main unless told otherwise."""
    [content] = [each for each in WORKFLOWS.values() if "pull_request_target" in each["on"]]
    for job in content["jobs"].values():
        assert "environment" not in job
        assert "id-token" not in job["permissions"]
        checkout, setup, *tasks_run = job["steps"]
        assert checkout["with"] == {"persist-credentials": False}
        assert setup["with"] == {"cache": "false"}
        assert all("run" in step for step in tasks_run)
    text = str(content)
    assert not re.search(r"secrets\.|vars\.|head\.(sha|ref)|head_ref", text)


def event(action: str, *labels: str, fork: bool = False, label: str = "") -> dict[str, Any]:
    """The context `github` of a pull request's event; ``label`` is the one that was set or taken off."""
    pull_request = {
        "number": 7,
        "labels": [{"name": name} for name in labels],
        "head": {"repo": {"full_name": "fork/name" if fork else "owner/name"}},
    }
    payload = {"action": action, "label": {"name": label}, "pull_request": pull_request}
    return {"repository": "owner/name", "event": payload}


def runs(workflow: str, job: str, name: str, github: dict[str, Any]) -> bool:
    """Whether an event of this name starts a job: its type is listed, and the job's condition holds."""
    content = WORKFLOWS[workflow]
    trigger = content["on"].get(name)
    if trigger is None or github["event"]["action"] not in trigger.get("types", [""]):
        return False

    return bool(evaluated(content["jobs"][job]["if"], github | {"event_name": name}))


def evaluated(condition: str, github: dict[str, Any]) -> Any:
    """What a condition of these workflows is worth, in Python."""

    def value(match: re.Match[str]) -> str:
        node: Any = github
        path, _, key = match[0].removeprefix("github.").partition(".*.")
        for part in path.split("."):
            node = node.get(part, {})
        return repr([item[key] for item in node] if key else node or None)

    condition = re.sub(r"github\.[\w.*]+", value, condition)
    condition = condition.replace("&&", "and").replace("||", "or")
    names = {"contains": lambda items, item: item in (items or [])}
    return eval(condition, names)  # noqa: S307 - of the workflow's own text


@pytest.mark.parametrize(
    ("github", "image", "end"),
    [
        (event("synchronize", "preview"), True, False),
        (event("labeled", "preview", label="preview"), True, False),
        (event("labeled", "preview", label="documentation"), False, False),
        (event("synchronize"), False, False),
        (event("unlabeled", label="preview"), False, True),
        (event("unlabeled", "preview", label="documentation"), False, False),
        (event("closed", "preview"), False, True),
        (event("closed"), False, False),
        # A fork's code gets no role, whatever its label; its label stands for the commit that it was set after.
        (event("labeled", "preview", label="preview", fork=True), False, False),
        (event("synchronize", "preview", fork=True), False, True),
        (event("reopened", "preview", fork=True), False, True),
        (event("closed", "preview", fork=True), False, True),
        (event("synchronize", fork=True), False, False),
    ],
)
def test_a_preview_is_built_and_ended_by_what_happens_to_its_pull_request(
    github: dict[str, Any], *, image: bool, end: bool
) -> None:
    assert runs("preview.yml", "image", "pull_request", github) == image
    assert runs("preview-end.yml", "end", "pull_request_target", github) == end


def test_a_forks_commit_gets_an_image_by_a_maintainers_push_alone() -> None:
    assert WORKFLOWS["preview.yml"]["on"]["push"] == {"branches": ["preview/[0-9]+"]}
    assert runs("preview.yml", "image", "push", {"event": {"action": ""}})
    previews_end = WORKFLOWS["preview-end.yml"]["jobs"]["expire"]["if"]
    assert previews_end == "github.event_name != 'pull_request_target'"


def test_what_is_written_is_never_cancelled() -> None:
    cancelled = {
        name
        for name, content in WORKFLOWS.items()
        if content.get("concurrency", {}).get("cancel-in-progress")
    }
    assert cancelled == {"pull-request.yml", "preview.yml", "nightly.yml"}


def test_what_was_cancelled_tells_nothing_and_is_never_mergeable() -> None:
    """`always()` runs after a cancellation as well: what comes in its place would wait for it."""
    assert "!cancelled()" in WORKFLOWS["pull-request.yml"]["jobs"]["comment"]["if"]
    assert WORKFLOWS["pull-request.yml"]["jobs"]["required"]["if"] == "always()"
    assert WORKFLOWS["drift.yml"]["jobs"]["issue"]["if"] == "${{ !cancelled() }}"


@pytest.mark.parametrize(
    ("label", "cancels"), [("preview", True), ("documentation", False)], ids=["preview", "other"]
)
def test_another_label_does_not_cancel_the_preview_that_is_built(
    label: str, *, cancels: bool
) -> None:
    """The group is the workflow's: GitHub cancels by it before it looks at a job's condition."""
    group = WORKFLOWS["preview.yml"]["concurrency"]["group"]
    [_, condition] = re.findall(r"\$\{\{\s*(.*?)\s*\}\}", group.partition("event_name }}")[2])
    building = event("synchronize", "preview")
    labelled = event("labeled", "preview", label=label)
    values = [evaluated(condition, github | {"run_id": 7}) for github in (building, labelled)]
    assert (values[0] == values[1]) == cancels


def queues() -> dict[str, dict[str, Any]]:
    """Every concurrency group, by workflow or by workflow and job."""
    parts = dict(WORKFLOWS)
    parts |= {f"{workflow} {name}": job for workflow, name, job in jobs()}
    return {name: part["concurrency"] for name, part in parts.items() if "concurrency" in part}


def dropped(queue: str, arrivals: list[str]) -> list[str]:
    """What GitHub drops of runs that arrive while the first one runs: without ``max`` one alone may wait."""
    return [] if queue == "max" else arrivals[1:-1]


def test_no_deployment_that_waits_is_dropped() -> None:
    for name, queue in queues().items():
        # Either what comes later takes its place, or it waits with the others; GitHub refuses both at once.
        assert (queue.get("queue") == "max") != queue["cancel-in-progress"], name
    assert queues()["main.yml"]["queue"] == "max"
    deploying = [
        (workflow, name)
        for workflow, name, job in jobs()
        if job.get("uses", "").endswith("/deploy.yml")
    ]
    assert len(deploying) == 3
    for workflow, name in deploying:
        queue = queues()[f"{workflow} {name}"]
        assert queue["group"].startswith("deploy-")
        assert not dropped(queue["queue"], ["merge", "merge", "rollback", "merge"])


@pytest.mark.parametrize("workflow", ["promote.yml", "rollback.yml"])
def test_a_deployment_asks_for_one_approval(workflow: str) -> None:
    """GitHub asks for each job that names a protected environment."""
    own = WORKFLOWS[workflow]["jobs"].values()
    called = [Path(job["uses"]).name for job in own if "uses" in job]
    asking = [
        name
        for content in (workflow, *called)
        for name, job in WORKFLOWS[content]["jobs"].items()
        if "${{ inputs.environment }}" in str(job.get("environment"))
    ]
    assert asking == ["deploy"]


def test_the_environment_on_github_leads_to_where_users_go() -> None:
    job = WORKFLOWS["deploy.yml"]["jobs"]["deploy"]
    match = re.fullmatch(r"\$\{\{ steps\.(\w+)\.outputs\.url \}\}", job["environment"]["url"])
    assert match
    [step] = [each for each in job["steps"] if each.get("id") == match[1]]
    assert shlex.split(step["run"])[:2] == ["./inv", "verify"]


def matches(patterns: list[str], path: str) -> bool:
    """Whether a path starts a workflow: the last pattern that matches decides, as on GitHub."""
    verdict = False
    for pattern in patterns:
        expression = re.escape(pattern.lstrip("!")).replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
        if re.fullmatch(expression, path):
            verdict = not pattern.startswith("!")
    return verdict


def test_each_environment_of_today_and_tomorrow_is_deployed_by_one_workflow() -> None:
    paths = {name: WORKFLOWS[name]["on"]["push"]["paths"] for name in ("main.yml", "promote.yml")}
    for environment in (*environments.names(), "qa"):
        file = history.path(environment)
        starting = [name for name, patterns in paths.items() if matches(patterns, file)]
        assert starting == ["main.yml" if environment in ("staging", "local") else "promote.yml"], (
            environment
        )
    assert matches(paths["main.yml"], "app/views.py")
    assert not matches(paths["promote.yml"], "app/views.py")


def test_every_variable_and_secret_is_documented() -> None:
    text = (ROOT / "docs" / "github.md").read_text(encoding="utf-8")
    used: set[str] = set()
    for file in git.files(".github/*.yml"):
        used |= set(re.findall(r"\b(?:vars|secrets)\.([A-Z_]+)", file.read_text(encoding="utf-8")))
    assert used
    assert not {name for name in used if f"`{name}`" not in text}


def test_every_owned_path_is_there() -> None:
    lines = (ROOT / ".github" / "CODEOWNERS").read_text(encoding="utf-8").splitlines()
    paths = [line.split()[0] for line in lines if line.startswith("/")]
    assert len(paths) > 10
    assert not [path for path in paths if not (ROOT / path.strip("/")).exists()]


MANIFESTS = {
    "github-actions": (".github/workflows/*.yml", "action.yml"),
    "pip": ("*requirements.in", "*.in", "pyproject.toml"),
    "docker": ("Dockerfile",),
    "terraform": ("*.tf",),
    "helm": ("Chart.yaml",),
    "gomod": ("go.mod",),
}


def test_every_folder_of_dependabot_holds_what_it_updates() -> None:
    file = ROOT / ".github" / "dependabot.yml"
    updates = YAML(typ="safe").load(file.read_text(encoding="utf-8"))["updates"]
    assert {update["package-ecosystem"] for update in updates} == set(MANIFESTS)
    for update in updates:
        patterns = MANIFESTS[update["package-ecosystem"]]
        for directory in update.get("directories") or [update["directory"]]:
            folders = list(ROOT.glob(directory.strip("/"))) if directory != "/" else [ROOT]
            assert folders, directory
            assert all(any(any(folder.glob(name)) for name in patterns) for folder in folders)


def test_dependabot_knows_every_go_module_and_python_lock() -> None:
    file = ROOT / ".github" / "dependabot.yml"
    updates = YAML(typ="safe").load(file.read_text(encoding="utf-8"))["updates"]
    updated = {
        update["package-ecosystem"]: {name.strip("/") for name in update.get("directories", [])}
        for update in updates
    }
    modules = {str(path.parent.relative_to(ROOT)) for path in git.files("*go.mod")}
    locks = {
        str(path.parent.relative_to(ROOT))
        for path in git.files("*.in", "*/pyproject.toml")
        if "fixtures" not in path.parts
    }
    assert modules <= updated["gomod"]
    assert locks <= updated["pip"]
