"""Where an environment answers, and how it is reached there."""

import contextlib
import socket
import ssl
import threading
from dataclasses import replace
from typing import Any, cast

import boto3
import pytest
from botocore.stub import Stubber

from pipeline.aws import ecs, localaws
from pipeline.aws.account import Account
from pipeline.releases import environments
from pipeline.releases.environments import Environment
from pipeline.releases.image_reference import ImageReference
from pipeline.targets import ecs as ecs_target
from pipeline.targets import web

HOST = "alb-1.us-east-1.elb.amazonaws.com"
DOMAIN = "staging.example.com"


def environment_at(domain: str | None) -> Environment:
    """Staging with a domain, or without."""
    environment = environments.load("staging")
    aws = {**environment.raw["aws"], "load_balancer": {"domain": domain}}
    return replace(environment, raw={**environment.raw, "aws": aws})


@pytest.mark.parametrize(
    ("domain", "local", "url"),
    [
        (None, True, localaws.url()),
        (DOMAIN, True, localaws.url(https=True)),
        (DOMAIN, False, f"https://{DOMAIN}"),
        (None, False, f"http://{HOST}"),
    ],
)
def test_where_a_load_balancer_is_reached(
    monkeypatch: pytest.MonkeyPatch, domain: str | None, local: bool, url: str
) -> None:
    monkeypatch.setattr(ecs_target, "_balancer_host", lambda *_: HOST)
    monkeypatch.setattr(web, "leads_to", lambda *_: True)
    via = web.Via(HOST, localaws.AUTHORITY) if local else None
    account = Account({}, local=local)
    assert ecs_target.reached(environment_at(domain), account) == (url, via)


def test_before_dns_the_load_balancer_is_asked_for_the_domain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ecs_target, "_balancer_host", lambda *_: HOST)
    resolved = {HOST: "192.0.2.1"}

    def resolve(name: str, _port: None) -> list[tuple[object, ...]]:
        if name not in resolved:
            raise socket.gaierror(name)
        return [(0, 0, 0, "", (resolved[name], 0))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    staging, account, domain = environment_at(DOMAIN), Account({}, local=False), DOMAIN
    by_balancer = (f"https://{HOST}", web.Via(domain))
    assert ecs_target.reached(staging, account) == by_balancer
    resolved[domain] = "192.0.2.2"
    assert ecs_target.reached(staging, account) == by_balancer
    resolved[domain] = resolved[HOST]
    assert ecs_target.reached(staging, account) == (f"https://{domain}", None)


def test_a_way_without_an_authority_names_the_domain_to_tls() -> None:
    names: list[str | None] = []
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.set_servername_callback(lambda _socket, name, _context: names.append(name))
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        port = server.getsockname()[1]

        def accept() -> None:
            # Without a certificate the handshake fails, after the name was sent.
            with contextlib.suppress(OSError):
                tls.wrap_socket(server.accept()[0], server_side=True)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        assert not web.is_ready(f"https://localhost:{port}", web.Via(DOMAIN))
        thread.join(timeout=20)
    assert names == [DOMAIN]


def test_without_a_load_balancer_it_is_not_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ecs_target, "_balancer_host", lambda *_: None)
    assert ecs_target.reached(environments.load("local"), Account({}, local=True)) is None


def stopped(reason: str, digest: str, code: int | None, at: int) -> dict[str, object]:
    """A task of a service as ECS describes it."""
    container = {
        "name": "app",
        "imageDigest": digest,
        **({} if code is None else {"exitCode": code}),
    }
    return {
        "taskArn": f"arn:aws:ecs:us-east-1:123456789012:task/shop/{at}",
        "stoppedReason": reason,
        "stoppedAt": at,
        "containers": [container],
    }


SCHEDULED = "Scaling activity initiated by deployment ecs-svc/1"


@pytest.mark.parametrize(
    ("tasks", "told"),
    [
        # The newest had only begun when its deployment failed: the last words are those of the other.
        ([("Essential container in task exited", "new", 1, 1), (SCHEDULED, "new", None, 2)], 1),
        # It served badly, and ended as it was told.
        ([("Essential container in task exited", "old", 1, 1), (SCHEDULED, "new", 0, 2)], 2),
        # None of the refused digest has ended: an older failure says more than nothing.
        ([("Essential container in task exited", "old", 1, 1), (SCHEDULED, "old", 0, 2)], 1),
        ([("Task failed ELB health checks", "new", None, 1), (SCHEDULED, "new", None, 2)], 1),
    ],
)
def test_the_last_failure_is_that_of_a_task_that_ended_by_itself(
    tasks: list[tuple[str, str, int | None, int]], told: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ecs, "_tasks", lambda *_, **__: [stopped(*task) for task in tasks])
    monkeypatch.setattr(
        ecs, "_log_tail", lambda _logs, _group, task: [f"words of {task['stoppedAt']}"]
    )
    unused = cast("Any", None)
    *_, words = ecs.last_failure(unused, unused, "shop", "shop", "/ecs/shop", refused="new")
    assert words == f"words of {told}"


def stubbed(service: Any) -> tuple[Any, Stubber]:
    """A client that takes exactly the calls that its stub lists, in their order."""
    client = boto3.client(
        service, region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none"
    )
    return client, Stubber(client)


def test_a_failed_task_s_last_lines_are_asked_for_by_its_streams_names() -> None:
    """A list of streams has 50 of them, sorted by name: after some tasks the newest one's are not among them."""
    (client, tasks), (logs, streams) = stubbed("ecs"), stubbed("logs")
    arn = "arn:aws:ecs:us-east-1:123456789012:task/shop-cluster/0a1b"
    containers = [{"name": "migrate"}, {"name": "shop", "exitCode": 1}, {"name": "aws-guardduty"}]
    selection = {"cluster": "shop-cluster", "desiredStatus": "STOPPED", "serviceName": "service"}
    tasks.add_response("list_tasks", {"taskArns": [arn]}, selection)
    tasks.add_response("describe_tasks", {"tasks": [{"taskArn": arn, "containers": containers}]})
    for number, stream in enumerate(("migrate/migrate/0a1b", "app/shop/0a1b")):
        events = [{"timestamp": number, "message": f"{stream}\n"}]
        asked = {
            "logGroupName": "/ecs/shop",
            "logStreamName": stream,
            "limit": ecs.LOG_LINES,
            "startFromHead": False,
        }
        streams.add_response("get_log_events", {"events": events}, asked)
    streams.add_client_error("get_log_events", "ResourceNotFoundException")
    with tasks, streams:
        said = ecs.last_failure(client, logs, "shop-cluster", "service", "/ecs/shop")
    assert said == [
        "task stopped: no reason given",
        "container shop ended with code 1",
        "migrate/migrate/0a1b",
        "app/shop/0a1b",
    ]


def test_a_log_that_may_not_be_read_is_said_so() -> None:
    (client, tasks), (logs, streams) = stubbed("ecs"), stubbed("logs")
    containers = [{"name": "shop", "exitCode": 1}]
    tasks.add_response("list_tasks", {"taskArns": ["a/0a1b"]})
    tasks.add_response(
        "describe_tasks", {"tasks": [{"taskArn": "a/0a1b", "containers": containers}]}
    )
    streams.add_client_error("get_log_events", "AccessDeniedException")
    with tasks, streams:
        said = ecs.last_failure(client, logs, "shop-cluster", "service", "/ecs/shop")
    assert said[-1].startswith("its log could not be read: ")


@pytest.mark.parametrize(
    ("looks", "asked"),
    [
        ([(3, "new"), (5, "new")], 2),  # auto scaling has asked for two more
        ([(3, "old")], 1),  # rolled back: no waiting helps
        ([(0, "new"), (5, "new")], 2),  # the only task is being replaced
    ],
)
def test_a_service_is_looked_at_again_while_tasks_of_the_right_image_are_too_few(
    looks: list[tuple[int, str]], asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    staging = environments.load("staging")
    image = ImageReference(staging.repository, f"sha256:{'1' * 64}")
    digests = {"new": image.digest, "old": f"sha256:{'2' * 64}"}
    seen = [
        ecs.Service("family:1", 5, {f"task{each}": digests[name] for each in range(count)}, None)
        for count, name in looks
    ]
    answers = iter(seen)
    monkeypatch.setattr(ecs_target, "running", lambda *_: next(answers))
    monkeypatch.setattr(ecs_target, "POLL_SECONDS", 0)
    settled = ecs_target.settled(replace(staging, digest=image.digest), Account({}, local=True))
    assert settled == seen[asked - 1]
    assert len(list(answers)) == len(looks) - asked
