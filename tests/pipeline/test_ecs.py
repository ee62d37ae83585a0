"""Where an environment answers, and how it is reached there."""

import pytest

from pipeline.aws import localaws
from pipeline.aws.account import Account
from pipeline.releases import environments
from pipeline.targets import ecs as ecs_target
from pipeline.targets import web

HOST = "alb-1.us-east-1.elb.amazonaws.com"


@pytest.mark.parametrize(
    ("environment", "local", "url"),
    [
        ("local", True, localaws.url()),
        ("staging", True, localaws.url(https=True)),
        ("staging", False, "https://staging.potluck.example.com"),
        ("local", False, f"http://{HOST}"),
    ],
)
def test_where_a_load_balancer_is_reached(
    monkeypatch: pytest.MonkeyPatch, environment: str, local: bool, url: str
) -> None:
    monkeypatch.setattr(ecs_target, "_balancer_host", lambda *_: HOST)
    via = web.Via(HOST, localaws.AUTHORITY) if local else None
    account = Account({}, local=local)
    assert ecs_target.reached(environments.load(environment), account) == (url, via)


def test_without_a_load_balancer_it_is_not_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ecs_target, "_balancer_host", lambda *_: None)
    assert ecs_target.reached(environments.load("local"), Account({}, local=True)) is None
