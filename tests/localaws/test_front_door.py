"""The load balancer's data plane: what a target sees of a request, and a client of an answer."""

import json
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest
from botocore.exceptions import ClientError

from pipeline.aws import localaws
from pipeline.core import ports
from tests.localaws.cluster import CHECK_SECONDS, PORT, Service
from tests.localaws.conftest import World, until

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def service(world: World) -> Iterator[Service]:
    made = Service(world, "door")
    made.create()
    yield made
    made.delete()


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=localaws.url(), trust_env=False, timeout=30) as made:
        yield made


def seen(answer: httpx.Response) -> dict[str, str]:
    """The request's headers as the target saw them, in lower case."""
    return {name.lower(): value for name, value in answer.json()["headers"].items()}


def test_the_target_learns_who_asked_and_how(client: httpx.Client) -> None:
    headers = seen(client.get("/"))
    assert headers["host"] == f"localhost:{ports.BALANCER_HTTP}"
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-port"] == str(ports.BALANCER_HTTP)
    assert headers["x-amzn-trace-id"].startswith("Root=1-")


def test_what_a_client_claims_is_appended_to_or_replaced(client: httpx.Client) -> None:
    claimed = {
        "X-Forwarded-For": "203.0.113.7",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Port": "443",
        "X-Amzn-Trace-Id": "Root=1-67891233-abcdef012345678912345678",
    }
    headers = seen(client.get("/", headers=claimed))
    assert headers["x-forwarded-for"] == "203.0.113.7, 127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-port"] == str(ports.BALANCER_HTTP)
    assert headers["x-amzn-trace-id"].startswith("Self=1-")
    assert headers["x-amzn-trace-id"].endswith(";Root=1-67891233-abcdef012345678912345678")


def test_headers_of_the_connection_are_not_passed_on(client: httpx.Client) -> None:
    headers = seen(
        client.get("/", headers={"Connection": "keep-alive, X-Own", "X-Own": "1", "TE": "trailers"})
    )
    assert "x-own" not in headers
    assert "te" not in headers


def test_path_and_query_arrive_as_they_were_sent(client: httpx.Client) -> None:
    raw = "/a%2Fb/%C3%BC;x=1/..%2f?q=a+b%20c&empty="
    url = f"{localaws.url()}{raw}"
    sent = subprocess.run(
        ["curl", "--silent", "--path-as-is", url], capture_output=True, text=True, check=True
    )
    assert json.loads(sent.stdout)["path"] == raw


def test_an_answer_comes_back_whole(client: httpx.Client) -> None:
    answer = client.get("/")
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert answer.headers["content-length"] == str(len(answer.content))
    head = client.head("/")
    assert head.status_code == httpx.codes.OK
    assert head.content == b""


def test_bodies_are_streamed(client: httpx.Client) -> None:
    size = 20_000_000
    assert client.post("/", content=b"x" * size).json()["received"] == size

    def pieces() -> Iterator[bytes]:
        for _ in range(200):
            yield b"y" * 10_000

    assert client.post("/", content=pieces()).json()["received"] == 2_000_000


def test_connections_are_kept_alive(client: httpx.Client) -> None:
    with client.stream("GET", "/") as first:
        first.read()
        stream = first.extensions["network_stream"]
    with client.stream("GET", "/") as second:
        second.read()
        assert second.extensions["network_stream"] is stream


def test_a_target_that_hangs_up_is_the_client_s_502(client: httpx.Client) -> None:
    answer = client.get("/hang-up")
    assert answer.status_code == httpx.codes.BAD_GATEWAY
    assert answer.headers["server"] == "awselb/2.0"


def test_a_target_that_is_too_slow_is_the_client_s_504(
    service: Service, client: httpx.Client
) -> None:
    elb = service.world.client("elbv2")

    def set_timeout(seconds: int) -> None:
        attribute = {"Key": "idle_timeout.timeout_seconds", "Value": str(seconds)}
        elb.modify_load_balancer_attributes(
            LoadBalancerArn=service.balancer, Attributes=[attribute]
        )

    set_timeout(1)
    try:
        assert client.get("/slow").status_code == httpx.codes.GATEWAY_TIMEOUT
    finally:
        set_timeout(60)
    assert client.get("/slow").status_code == httpx.codes.OK


def add_rule(service: Service, path: str, action: dict[str, Any]) -> str:
    elb = service.world.client("elbv2")
    listeners = elb.describe_listeners(LoadBalancerArn=service.balancer)["Listeners"]
    made = elb.create_rule(
        ListenerArn=next(one["ListenerArn"] for one in listeners if one["Port"] == 80),
        Priority=len(path),
        Conditions=[{"Field": "path-pattern", "Values": [path]}],
        Actions=[action],
    )
    return str(made["Rules"][0]["RuleArn"])


def test_rules_answer_and_redirect_through_the_doors(
    service: Service, client: httpx.Client
) -> None:
    fixed = {"StatusCode": "418", "ContentType": "text/plain", "MessageBody": "short and stout"}
    redirect = {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}
    add_rule(service, "/tea", {"Type": "fixed-response", "FixedResponseConfig": fixed})
    add_rule(service, "/secure/*", {"Type": "redirect", "RedirectConfig": redirect})
    tea = client.get("/tea")
    assert (tea.status_code, tea.text) == (418, "short and stout")
    moved = client.get("/secure/page?x=1")
    assert moved.status_code == httpx.codes.MOVED_PERMANENTLY
    assert moved.headers["location"] == f"https://localhost:{ports.BALANCER_HTTPS}/secure/page?x=1"


def prove(world: World, certificate: str) -> None:
    """Makes the record that a certificate waits for."""
    acm, dns = world.client("acm"), world.client("route53")
    waiting = acm.describe_certificate(CertificateArn=certificate)["Certificate"]
    assert waiting["Status"] == "PENDING_VALIDATION"
    zone = dns.create_hosted_zone(Name=waiting["DomainName"], CallerReference="test")
    record = waiting["DomainValidationOptions"][0]["ResourceRecord"]
    wanted = {
        "Name": record["Name"],
        "Type": record["Type"],
        "TTL": 60,
        "ResourceRecords": [{"Value": record["Value"]}],
    }
    dns.change_resource_record_sets(
        HostedZoneId=zone["HostedZone"]["Id"],
        ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": wanted}]},
    )
    issued = acm.describe_certificate(CertificateArn=certificate)["Certificate"]
    assert issued["Status"] == "ISSUED"


def test_the_https_listener_serves_with_the_local_authority(
    service: Service, scratch: Path
) -> None:
    world = service.world
    domain = "shop.example.com"
    certificate = world.client("acm").request_certificate(DomainName=domain)["CertificateArn"]
    listener = {
        "LoadBalancerArn": service.balancer,
        "Protocol": "HTTPS",
        "Port": 443,
        "Certificates": [{"CertificateArn": certificate}],
        "DefaultActions": [{"Type": "forward", "TargetGroupArn": service.group}],
    }
    with pytest.raises(ClientError, match="UnsupportedCertificate"):
        world.client("elbv2").create_listener(**listener)
    prove(world, certificate)
    world.client("elbv2").create_listener(**listener)
    trusted = ssl.create_default_context(cafile=str(scratch / "web-ca.pem"))
    with httpx.Client(verify=trusted, trust_env=False) as client:
        door = f"https://localhost:{ports.BALANCER_HTTPS}/"
        headers = seen(client.get(door))
        assert headers["x-forwarded-proto"] == "https"
        assert headers["x-forwarded-port"] == str(ports.BALANCER_HTTPS)
        by_domain = client.get(door, headers={"Host": domain}, extensions={"sni_hostname": domain})
        assert seen(by_domain)["host"] == domain


def test_without_a_target_the_answer_is_503(world: World, service: Service) -> None:
    elb = world.client("elbv2")
    empty = elb.create_target_group(
        Name="empty", Protocol="HTTP", Port=80, VpcId=world.vpc, TargetType="ip"
    )["TargetGroups"][0]["TargetGroupArn"]
    rule = add_rule(service, "/empty", {"Type": "forward", "TargetGroupArn": empty})
    try:
        answer = httpx.get(f"{localaws.url()}/empty", trust_env=False)
        assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
    finally:
        elb.delete_rule(RuleArn=rule)
        elb.delete_target_group(TargetGroupArn=empty)


def test_a_target_that_refuses_the_connection_is_the_client_s_502(
    world: World, service: Service
) -> None:
    """As AWS answers a reset while it connects; another target does not get the request."""
    elb = world.client("elbv2")
    half = elb.create_target_group(
        Name="half",
        Protocol="HTTP",
        Port=80,
        VpcId=world.vpc,
        TargetType="ip",
        HealthCheckIntervalSeconds=CHECK_SECONDS,
        HealthCheckTimeoutSeconds=2,
        UnhealthyThresholdCount=2,
        Matcher={"HttpCode": "299"},  # nobody is healthy, so that all get requests
    )["TargetGroups"][0]["TargetGroupArn"]
    healthy = elb.describe_target_health(TargetGroupArn=service.group)["TargetHealthDescriptions"]
    address = healthy[0]["Target"]["Id"]
    network = docker.from_env().networks.get(localaws.NETWORK)
    nobody = network.attrs["IPAM"]["Config"][0]["Gateway"]  # this machine
    both = [{"Id": address, "Port": PORT}, {"Id": nobody, "Port": 1}]
    elb.register_targets(TargetGroupArn=half, Targets=both)
    rule = add_rule(service, "/half", {"Type": "forward", "TargetGroupArn": half})

    def statuses() -> set[int]:
        return {httpx.get(f"{localaws.url()}/half", trust_env=False).status_code for _ in range(4)}

    try:
        until(lambda: statuses() == {200, 502}, "an answer for each target")
    finally:
        elb.delete_rule(RuleArn=rule)
        elb.delete_target_group(TargetGroupArn=half)


def test_a_body_longer_than_the_firewall_inspects_passes_where_its_rule_only_counts(
    service: Service, client: httpx.Client
) -> None:
    waf = service.world.client("wafv2")
    group: dict[str, Any] = {"VendorName": "AWS", "Name": "AWSManagedRulesCommonRuleSet"}
    visibility = {
        "SampledRequestsEnabled": True,
        "CloudWatchMetricsEnabled": True,
        "MetricName": "door",
    }

    def rules(**more: object) -> list[dict[str, Any]]:
        statement = {"ManagedRuleGroupStatement": {**group, **more}}
        rule = {"Name": "common", "Priority": 1, "OverrideAction": {"None": {}}}
        return [{**rule, "Statement": statement, "VisibilityConfig": visibility}]

    place = {"Name": "door", "Scope": "REGIONAL"}
    shared = {"DefaultAction": {"Allow": {}}, "VisibilityConfig": visibility}
    made = waf.create_web_acl(**place, **shared, Rules=rules())["Summary"]
    waf.associate_web_acl(WebACLArn=made["ARN"], ResourceArn=service.balancer)
    try:
        assert client.post("/", content=b"x" * 8192).json()["received"] == 8192
        refused = client.post("/", content=b"x" * 8193)
        assert refused.status_code == httpx.codes.FORBIDDEN
        assert refused.headers["server"] == "awselb/2.0"
        counted = {"Name": "SizeRestrictions_BODY", "ActionToUse": {"Count": {}}}
        token = waf.get_web_acl(**place, Id=made["Id"])["LockToken"]
        longer = rules(RuleActionOverrides=[counted])
        waf.update_web_acl(**place, **shared, Id=made["Id"], LockToken=token, Rules=longer)
        assert client.post("/", content=b"x" * 8193).json()["received"] == 8193
    finally:
        waf.disassociate_web_acl(ResourceArn=service.balancer)
