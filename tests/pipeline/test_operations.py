"""`./inv exec`, `open` and `events` do the same on each target, and say where they cannot."""

import json
import shlex
import subprocess
import sys
import webbrowser
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pipeline import targets
from pipeline.aws import exec_session
from pipeline.commands import events, exec, open
from pipeline.core import process
from pipeline.core.errors import PipelineError
from pipeline.images import docker
from pipeline.releases import environments
from pipeline.targets import compose_operations, ecs_operations, kubernetes, kubernetes_operations
from pipeline.targets.logs import Event
from pipeline.targets.state import State
from pipeline.targets.web import Via
from pipeline.terraform import roots

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
HOSTILE = "\x1b[2J\n[bold]gone"


def test_every_target_has_its_operations() -> None:
    assert list(targets.OPERATIONS) == list(targets.TARGETS)


class Ran:
    """Operations that note what was run where, with two replicas."""

    def __init__(self, code: int = 0) -> None:
        self.code = code
        self.ran: list[tuple[str, Sequence[str]]] = []

    def replicas(self, _: Any) -> list[str]:
        return ["web-1a", "web-2a"]

    def execute(
        self, _: Any, replica: str, command: Sequence[str], on_line: Callable[[str], None]
    ) -> int:
        self.ran.append((replica, command))
        on_line(HOSTILE)
        return self.code


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Ran:
    made = Ran(code=3)
    monkeypatch.setattr(targets, "OPERATIONS", {"ecs": made})
    return made


def test_a_command_runs_in_the_first_replica_and_its_code_is_the_task_s(
    ran: Ran, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exec.run("python -c 'print(1)'", "ecs", "local").code == 3
    assert ran.ran == [("web-1a", ["python", "-c", "print(1)"])]
    assert capsys.readouterr().out == "\\x1b[2J\\n[bold]gone\n"


def test_a_replica_is_named_by_its_end(ran: Ran) -> None:
    exec.run("true", "ecs", "local", replica="2a")
    assert ran.ran == [("web-2a", ["true"])]
    with pytest.raises(PipelineError, match="no replica has a name that ends with 'b'") as error:
        exec.run("true", "ecs", "local", replica="b")
    assert error.value.next_step == "choose one of: web-1a, web-2a"
    with pytest.raises(PipelineError, match="more than one replica"):
        exec.run("true", "ecs", "local", replica="a")


@pytest.mark.parametrize("command", ["", "  ", "python -c 'x", "a\0b"])
def test_what_is_no_command_runs_nowhere(command: str, ran: Ran) -> None:
    with pytest.raises(PipelineError):
        exec.run(command, "ecs", "local")
    assert ran.ran == []


@pytest.mark.parametrize(
    ("command", "code", "printed"),
    [
        ([sys.executable, "-c", "print('one'); print('two', end='')"], 0, ["one", "two"]),
        ([sys.executable, "-c", "print(); exit(3)"], 3, [""]),
        ([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], 137, []),
        (["no-such-program", "'"], 127, ["no-such-program: not found"]),
    ],
)
def test_a_session_shows_what_the_command_printed_and_its_code(
    command: list[str], code: int, printed: list[str]
) -> None:
    lines: list[str] = []
    reader = exec_session.Reader(lines.append)
    argv = shlex.split(exec_session.launched(command, reader.mark))
    argv[0] = sys.executable
    output = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    for line in ["", "Starting session", *output.split("\n"), "", "Exiting session"]:
        reader.take(f"{line}\r")
    assert (reader.code, lines) == (code, printed)


class Client:
    """The calls of ECS that `exec` and `events` make, with botocore's form of a refusal."""

    exceptions = SimpleNamespace(ClusterNotFoundException=KeyError)

    def __init__(self, refusal: str = "") -> None:
        self.refusal = refusal
        self.asked: dict[str, Any] = {}

    def execute_command(self, **asked: Any) -> Any:
        self.asked = asked
        if self.refusal:
            error: Any = {"Error": {"Code": self.refusal, "Message": "not so."}}
            raise ClientError(error, "ExecuteCommand")
        names = {"taskArn": "arn:t/1", "containerName": asked["container"]}
        return {"clusterArn": f"arn:cluster/{asked['cluster']}", **names, "session": {}}

    def describe_services(self, **_: Any) -> Any:
        event = {"createdAt": NOON, "message": "(service s) has started 1 tasks"}
        return {
            "services": [{"events": [event, {**event, "createdAt": NOON - timedelta(hours=9)}]}]
        }

    def get_paginator(self, _: str) -> Any:
        return SimpleNamespace(paginate=lambda **_: [{"taskArns": ["arn:t/1"]}])

    def describe_tasks(self, **_: Any) -> Any:
        task = {
            "taskArn": "arn:t/1",
            "stoppedAt": NOON,
            "stopCode": "EssentialContainerExited",
            "stoppedReason": "Essential container in task exited",
            "containers": [{"name": "web", "exitCode": 1}],
        }
        return {"tasks": [task]}


@pytest.fixture
def on_ecs(monkeypatch: pytest.MonkeyPatch) -> Client:
    client = Client()
    account = SimpleNamespace(local=True, client=lambda _: client, environ={})
    monkeypatch.setattr(ecs_operations, "_account", lambda _: account)
    return client


LOCAL = environments.load(environments.LOCAL_ENVIRONMENT)


def test_ecs_is_asked_for_each_command_as_the_api_wants_it(
    on_ecs: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def execute(_: Any, argv: Sequence[str], on_line: Callable[[str], None], **how: Any) -> int:
        assert how == {"user": "root", "tty": True}
        for line in (argv[3], "out", f"{argv[3]} 4"):
            on_line(line)
        return 0

    containers = SimpleNamespace(list=lambda **_: [object()])
    monkeypatch.setattr(docker, "client", lambda: SimpleNamespace(containers=containers))
    monkeypatch.setattr(docker, "execute", execute)
    lines: list[str] = []
    assert ecs_operations.execute(LOCAL, "1", ["python", "-V"], lines.append) == 4
    assert lines == ["out"]
    assert on_ecs.asked["interactive"] is True  # the only mode that ECS has
    assert shlex.split(on_ecs.asked["command"])[-2:] == ["python", "-V"]


@pytest.mark.parametrize(
    ("code", "step"),
    [
        ("AccessDeniedException", "ask for the right ecs:ExecuteCommand"),
        ("InvalidParameterException", "set aws.service.execute_command in environments/local.yaml"),
    ],
)
def test_a_refusal_of_ecs_says_what_to_do(on_ecs: Client, code: str, step: str) -> None:
    on_ecs.refusal = code
    with pytest.raises(PipelineError, match=r"ECS Exec was refused: not so$") as error:
        ecs_operations.execute(LOCAL, "1", ["true"], print)
    assert error.value.next_step.startswith(step)


def test_a_session_that_ends_before_its_command_is_a_failure(
    on_ecs: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    containers = SimpleNamespace(list=lambda **_: [])
    monkeypatch.setattr(docker, "client", lambda: SimpleNamespace(containers=containers))
    with pytest.raises(PipelineError, match="ended before the command"):
        ecs_operations.execute(LOCAL, "1", ["true"], print)


def test_without_aws_s_plugin_the_way_to_it_is_named(
    on_ecs: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = SimpleNamespace(local=False, client=lambda _: on_ecs, environ={})
    monkeypatch.setattr(ecs_operations, "_account", lambda _: account)
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(PipelineError, match="needs session-manager-plugin"):
        ecs_operations.execute(LOCAL, "1", ["true"], print)


def test_the_session_s_token_is_on_no_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(process, "run", lambda argv, **how: ran.append((argv, how["env"])))
    described = {"tasks": [{"containers": [{"name": "web", "runtimeId": "r-1"}]}]}
    client = SimpleNamespace(
        describe_tasks=lambda **_: described, meta=SimpleNamespace(region_name="eu-west-1")
    )
    account: Any = SimpleNamespace(client=lambda _: client, environ={"A": "b"})
    session = {"sessionId": "s", "streamUrl": "wss://x", "tokenValue": "t0ken"}
    answer = {"clusterArn": "arn:cluster/c", "containerName": "web", "session": session}
    ecs_operations._in_session(account, answer, "1", print)
    [(argv, env)] = ran
    assert "t0ken" not in " ".join(argv)
    assert json.loads(env[ecs_operations.SESSION])["TokenValue"] == "t0ken"
    plugin = shlex.split(argv[4])
    assert plugin[:5] == [
        "/bin/session-manager-plugin",
        ecs_operations.SESSION,
        "eu-west-1",
        "StartSession",
        "",
    ]
    assert json.loads(plugin[5]) == {"Target": "ecs:c_1_r-1"}


def test_kubectl_s_code_is_the_command_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    program = tmp_path / "kubectl"
    program.write_text('#!/bin/sh\nfor word; do echo "$word"; done\nexit 7\n', encoding="utf-8")
    program.chmod(0o755)
    cluster = SimpleNamespace(kubectl=[str(program), "--context", "c"])
    monkeypatch.setattr(kubernetes, "connect", lambda: cluster)
    lines: list[str] = []
    assert kubernetes_operations.execute(LOCAL, "web-1", ["echo", "a b"], lines.append) == 7
    assert lines[2:4] == ["exec", "web-1"]
    assert lines[-3:] == ["--", "echo", "a b"]


def test_a_program_s_lines_come_whole_from_docker() -> None:
    engine = SimpleNamespace(
        exec_create=lambda *_, **__: {"Id": "1"},
        exec_start=lambda *_, **__: iter([b"on", b"e\r\ntwo\nth", b"ree"]),
        exec_inspect=lambda _: {"ExitCode": 5},
    )
    container = SimpleNamespace(id="c", client=SimpleNamespace(api=engine))
    lines: list[str] = []
    assert docker.execute(container, ["x"], lines.append) == 5
    assert lines == ["one", "two", "three"]


def test_the_reasons_of_stopped_tasks_stand_beside_the_service_s_events(on_ecs: Client) -> None:
    found = sorted(ecs_operations.events(LOCAL, NOON - timedelta(hours=1)))
    assert [(each.about.split()[0], each.reason) for each in found] == [
        (f"{LOCAL_SERVICE}", "service"),
        ("task", "EssentialContainerExited"),
    ]
    assert found[1].message == "Essential container in task exited; container web ended with code 1"


def test_a_service_that_is_not_there_has_no_events(
    on_ecs: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # ListTasks by a service's name refuses one that it does not know.
    monkeypatch.setattr(Client, "describe_services", lambda *_, **__: {"services": []})
    monkeypatch.delattr(Client, "get_paginator")
    assert list(ecs_operations.events(LOCAL, NOON)) == []


LOCAL_SERVICE = f"{roots.base_name(LOCAL)}-service"


def test_events_of_both_apis_of_kubernetes_have_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def event(name: str, **fields: Any) -> dict[str, Any]:
        about = {"kind": "Pod", "name": name}
        made = {"metadata": {"creationTimestamp": "2026-11-26T10:00:00Z"}, "involvedObject": about}
        return made | {"reason": "Killing", "message": "Stopping container", **fields}

    items = [
        event("old"),
        event("legacy", lastTimestamp="2026-11-26T12:00:01Z", count=3, eventTime=None),
        event("new", eventTime="2026-11-26T12:00:02.000001Z", lastTimestamp=None),
        event("series", series={"lastObservedTime": "2026-11-26T12:00:03.5Z", "count": 2}),
    ]
    monkeypatch.setattr(kubernetes, "connect", lambda: SimpleNamespace(items=lambda *_: items))
    found = sorted(kubernetes_operations.events(LOCAL, NOON))
    assert [each.about for each in found] == ["Pod/legacy", "Pod/new", "Pod/series"]
    assert found[0].message == "Stopping container (3 times)"


def test_docker_s_events_of_the_services_alone_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def event(action: str, **attributes: str) -> dict[str, Any]:
        actor = {"Attributes": {"name": "web-1", **attributes}}
        return {"Action": action, "Actor": actor, "timeNano": int(NOON.timestamp() * 1e9)}

    service = {"com.docker.compose.service": "web"}
    given = [
        event("die", exitCode="1", **service),
        event("exec_create: python", **service),
        event("start"),
    ]
    engine = SimpleNamespace(events=lambda **_: given)
    monkeypatch.setattr(docker, "running_engine", lambda: engine)
    found = list(compose_operations.events(LOCAL, NOON))
    assert found == [Event(NOON, "web-1", "die", "exitCode=1")]


def test_hostile_events_are_one_row_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    happened = [Event(NOON, "pod", "Failed", HOSTILE), Event(NOON, "a", "Pulled", "image")]
    operations = SimpleNamespace(events=lambda *_: happened)
    monkeypatch.setattr(targets, "OPERATIONS", {"compose": operations})
    assert events.run("compose", "local", since="1h").headline == "2 events"
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert [line.split()[:4] for line in printed.splitlines()[1:]] == [
        ["2026-11-26", "12:00:00", "a", "Pulled"],
        ["2026-11-26", "12:00:00", "pod", "Failed"],
    ]
    assert "\\x1b[2J\\n[bold]gone" in printed


def _observed(monkeypatch: pytest.MonkeyPatch, state: State | None) -> list[str]:
    opened: list[str] = []
    monkeypatch.setattr(targets, "TARGETS", {"ecs": SimpleNamespace(observe=lambda _: state)})
    monkeypatch.setattr(webbrowser, "open", opened.append)
    return opened


def test_open_prints_the_address_and_opens_it_only_where_it_can_be_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state = State(
        "http://localhost:8080", "i", "v", healthy=True, replicas=1, via=Via("lb.example")
    )
    opened = _observed(monkeypatch, state)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("pipeline.core.console.LIVE", False)
    assert open.run("ecs", "local").headline == "http://localhost:8080 (as host lb.example)"
    assert opened == []
    monkeypatch.setattr("pipeline.core.console.LIVE", True)
    open.run("ecs", "local")
    assert opened == ["http://localhost:8080"]


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        (None, "local does not run on ecs"),
        (State("", "i", "v", healthy=True, replicas=1), "local has no address outside its ecs"),
    ],
)
def test_what_cannot_be_opened_is_refused_in_a_line(
    monkeypatch: pytest.MonkeyPatch, state: State | None, problem: str
) -> None:
    _observed(monkeypatch, state)
    with pytest.raises(PipelineError, match=problem):
        open.run("ecs", "local")
