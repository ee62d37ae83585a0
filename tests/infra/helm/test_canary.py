"""A canary on Kubernetes: what the chart renders for one, and what its judge says of pods that serve well and badly."""

import importlib.util
import json
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, repeat
from types import ModuleType
from typing import Any

import pytest

from pipeline.core.paths import CHART, TERRAFORM
from pipeline.kubernetes import helm
from tests.infra.helm.conftest import Render, containers, find, need, pod_templates

SCRIPT = CHART / "files" / "canary_analysis.py"
ON = {"canary": {"enabled": True}}
TOKEN = "the-token"


@pytest.fixture(scope="module")
def judge() -> ModuleType:
    """The judge as a module, in a hurry: what is seconds in a cluster is a fraction here."""
    specification = importlib.util.spec_from_file_location("canary_analysis", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    vars(module).update(RATE=100, ENOUGH=5, LOOK=0.3, PATIENCE=0.2)
    return module


#: Status and seconds of the nth request to the application.
Behaviour = Callable[[int], tuple[int, float]]


@contextmanager
def pod(behaviour: Behaviour, metrics: str | None = "") -> Iterator[dict[str, Any]]:
    """A pod that answers so, with these metrics (none: 404) for who has the token; the judge's settings for it."""
    count = iter(range(1_000_000))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, text = 200, "ready"
            if self.path == "/metrics":
                allowed = self.headers["Authorization"] == f"Bearer {TOKEN}"
                status, text = (200, metrics) if allowed and metrics is not None else (404, "")
            else:
                status, seconds = behaviour(next(count))
                threading.Event().wait(seconds)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {
        "service": "127.0.0.1",
        "port": server.server_port,
        "paths": ["/"],
        "metrics": "/metrics",
        "quiet": ["/healthz", "/readyz", "/metrics"],
        "seconds": 1,
        "errors_percent": 5,
        "latency_seconds": 0.1,
        "requests": 20,
    }
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRICS_TOKEN", TOKEN)


def well(_number: int) -> tuple[int, float]:
    return 200, 0


def metrics(
    *, route: str = "/", good: int = 100, bad: int = 0, fast: int = 100, slow: int = 0
) -> str:
    """What prometheus-client writes of so many requests."""
    name = "http_request_duration_seconds"
    return f"""# TYPE http_requests_total counter
http_requests_total{{route="{route}",method="GET",status="200"}} {good}.0
http_requests_total{{route="{route}",method="GET",status="503"}} {bad}.0
{name}_bucket{{route="{route}",le="0.05"}} {fast}.0
{name}_bucket{{route="{route}",le="0.25"}} {fast + slow}.0
{name}_bucket{{route="{route}",le="+Inf"}} {fast + slow}.0
{name}_count{{route="{route}"}} {fast + slow}.0
"""


@pytest.mark.parametrize(
    "text",
    [
        metrics(),
        metrics(bad=5),  # no more than is allowed
        metrics(good=5, bad=5),  # too few to tell
        metrics(route="/readyz", bad=100, slow=100),  # not what users ask
        "",
    ],
)
def test_a_canary_that_serves_well_is_accepted(judge: ModuleType, text: str) -> None:
    with pod(well, text) as settings:
        # A machine that does much else answers later than the limit of those who serve badly.
        assert judge.judge({**settings, "latency_seconds": 5}) == ""


@pytest.mark.parametrize(
    ("behaviour", "text", "reason"),
    [
        (lambda number: (500 if number % 5 == 0 else 200, 0), "", "more than 5 percent errors"),
        (lambda _: (200, 0.2), "", "slower than 0.1 s"),
        (well, metrics(bad=6), "more than 5 percent errors"),
        (well, metrics(slow=30), "slower than 0.1 s"),
        (well, None, "a pod answers 404 to GET /metrics"),
    ],
)
def test_a_canary_that_serves_badly_is_refused_with_the_figures(
    judge: ModuleType, behaviour: Behaviour, text: str | None, reason: str
) -> None:
    with pod(behaviour, text) as settings:
        refused = judge.judge(settings)
    assert refused.startswith(reason)
    assert re.search(
        r"\d percent of \d+ requests with 5xx, nine of ten within \d+\.\d\d s", refused
    )


@pytest.mark.parametrize(
    ("looks", "refused"),
    [
        (["slow", "", "slow"], False),  # the first requests of a pod are slow, or a moment is bad
        (["", "slow", "slow"], True),
    ],
)
def test_two_looks_in_a_row_that_are_too_bad_refuse_a_canary(
    judge: ModuleType, monkeypatch: pytest.MonkeyPatch, looks: list[str], *, refused: bool
) -> None:
    found = chain(looks, repeat(""))
    monkeypatch.setattr(judge, "LOOK", 0)
    monkeypatch.setattr(judge, "look", lambda *_: (next(found), "figures"))
    with pod(well) as settings:
        assert judge.judge(settings) == ("slow; figures" if refused else "")


def test_a_canary_without_a_pod_or_with_one_that_is_gone_is_refused(judge: ModuleType) -> None:
    with pod(well) as settings:
        nobody = settings | {"service": "canary.invalid"}
    assert "none of its pods has an address" in judge.judge(nobody)
    assert "100.0 percent" in judge.judge(settings | {"metrics": ""})


def test_too_few_requests_are_no_pass(judge: ModuleType) -> None:
    with pod(well) as settings:
        refused = judge.judge(settings | {"seconds": 0})
    assert re.match(r"only \d+ requests in 0 s", refused)


def test_nine_of_ten_are_found_as_prometheus_finds_them(judge: ModuleType) -> None:
    infinite = float("inf")
    assert judge.quantile([(0.1, 50), (0.5, 100), (infinite, 100)]) == pytest.approx(0.42)
    assert judge.quantile([(0.1, 50), (0.5, 60), (infinite, 100)]) == 0.5
    assert judge.quantile([]) == 0


def test_the_judge_is_python_without_packages_that_argo_rollouts_takes_as_it_is(
    render: Render,
) -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    imported = set(re.findall(r"^(?:import|from) (\w+)", text, re.M))
    assert imported <= set(sys.stdlib_module_names)
    job = need(render(ON), "AnalysisTemplate")["spec"]["metrics"][0]["provider"]["job"]["spec"]
    [container] = containers(job["template"])
    assert container["args"][0].strip() == text.strip()
    assert "{{" not in text
    compile(container["args"][0], "judge", "exec")


def test_a_canary_takes_the_place_of_the_deployment_with_the_same_pods(render: Render) -> None:
    values = {"serviceMonitor": {"enabled": True, "tokenSecret": {"name": "token"}}}
    off, on = render(values), render(values | ON)
    deployment, rollout = need(off, "Deployment"), need(on, "Rollout")
    assert find(on, "Deployment") is None
    assert rollout["metadata"] == deployment["metadata"]
    for pods in (deployment["spec"]["template"], rollout["spec"]["template"]):
        for spread in pods["spec"]["topologySpreadConstraints"]:
            [key] = spread.pop("matchLabelKeys")
            assert key.endswith("pod-template-hash")
    assert rollout["spec"]["template"] == deployment["spec"]["template"]
    assert need(on, "Service", CHART.name) == need(off, "Service", CHART.name)
    assert not [each for each in off if each["apiVersion"].startswith("argoproj.io/")]


def test_the_judge_is_known_before_a_rollout_names_it(render: Render) -> None:
    """Until then the Rollout is invalid, which Argo CD takes for a failed sync."""

    def wave(kind: str) -> int:
        annotations = need(render(ON), kind)["metadata"].get("annotations") or {}
        return int(annotations.get("argocd.argoproj.io/sync-wave", 0))

    assert wave("AnalysisTemplate") < wave("Rollout")


def test_going_back_is_not_judged_whatever_was_refused_in_between(render: Render) -> None:
    """Argo Rollouts counts the ReplicaSets that are younger, which are at most those that it keeps."""
    spec = need(render(ON), "Rollout")["spec"]
    assert spec["rollbackWindow"]["revisions"] > spec["revisionHistoryLimit"] + 1


def test_a_judge_without_its_image_is_followed_by_another_and_one_verdict_counts(
    render: Render,
) -> None:
    """Else the Rollout is paused for good, with the canary among users; by the limit alone it would be accepted."""
    [metric] = need(render(ON), "AnalysisTemplate")["spec"]["metrics"]
    assert metric["inconclusiveLimit"] == metric["count"] - 1
    assert (metric["consecutiveSuccessLimit"], metric.get("failureLimit", 0)) == (1, 0)


def test_what_follows_the_deployment_follows_the_rollout(render: Render) -> None:
    values: dict[str, Any] = {
        "autoscaling": {"enabled": True},
        "secretKey": {"existingSecret": "keys"},
        "restartOnRotation": {"enabled": True},
        "networkPolicy": {"enabled": True, "ingressFrom": [{"podSelector": {}}]},
    }
    on = render(values | ON)
    scaled = need(on, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert scaled == {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "name": need(on, "Rollout")["metadata"]["name"],
    }
    assert "replicas" not in need(on, "Rollout")["spec"]
    rule = need(on, "Role", "-restart")["rules"][1]
    assert (rule["apiGroups"], rule["resources"]) == (["argoproj.io"], ["rollouts"])
    job = need(on, "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    [arguments] = [each["args"][1:4] for each in job["containers"]]
    assert arguments == ["restart", "argoproj.io/v1alpha1", "rollouts"]
    sources = need(on, "NetworkPolicy")["spec"]["ingress"][0]["from"]
    labels = need(on, "AnalysisTemplate")["spec"]["metrics"][0]["provider"]["job"]["spec"][
        "template"
    ]["metadata"]["labels"]
    assert {"podSelector": {"matchLabels": labels}} in sources


def test_a_canary_is_judged_by_the_limits_of_the_environment_before_all_pods_run_it(
    render: Render,
) -> None:
    limits = {"errors_percent": 1, "latency_seconds": 0.5, "requests": 50}
    values = {
        "canary": {
            "enabled": True,
            "trial": 30,
            "weight": 10,
            "seconds": 90,
            "paths": ["/", "/menu"],
        },
        "aws": {"deployment_alarms": limits},
    }
    resources = render(values)
    spec = need(resources, "Rollout")["spec"]
    [_, part, analysis] = spec["strategy"]["canary"]["steps"]
    assert part == {"setWeight": 10}
    template = need(resources, "AnalysisTemplate")
    [used] = analysis["analysis"]["templates"]
    assert used == {"templateName": template["metadata"]["name"]}
    given = {each["name"]: each["value"] for each in analysis["analysis"]["args"]}
    assert given["seconds"] == "90"
    assert spec["progressDeadlineAbort"] is True
    job = template["spec"]["metrics"][0]["provider"]["job"]["spec"]
    assert (job["backoffLimit"], job["activeDeadlineSeconds"] > 90) == (0, True)
    [settings, *placeholders] = containers(job["template"])[0]["args"][1:]
    assert placeholders == ["{{args.service}}", "{{args.seconds}}"]
    settings = json.loads(settings)
    assert settings.items() >= {**limits, "paths": ["/", "/menu"]}.items()
    service = need(resources, "Service", given["service"])["spec"]
    assert (service["clusterIP"], service["ports"][0]["port"]) == ("None", settings["port"])
    marked = spec["strategy"]["canary"]["canaryMetadata"]["labels"]
    assert marked.items() <= service["selector"].items()


def test_a_new_version_is_tried_in_a_pod_that_no_user_meets_and_that_reaches_what_the_others_do(
    render: Render,
) -> None:
    values: dict[str, Any] = {
        "canary": {"enabled": True, "trial": 30, "seconds": 90},
        "autoscaling": {"enabled": True},
        "networkPolicy": {"enabled": True},
    }
    resources = render(values)
    rollout = need(resources, "Rollout")["spec"]
    trial = rollout["strategy"]["canary"]["steps"][0]["experiment"]
    [template], [analysis] = trial["templates"], trial["analyses"]
    assert (template["specRef"], analysis["requiredForCompletion"]) == ("canary", True)
    judge = need(resources, "AnalysisTemplate")
    assert analysis["templateName"] == judge["metadata"]["name"]
    assert judge["spec"]["metrics"][0]["provider"]["job"]["spec"]["activeDeadlineSeconds"] > 90
    given = {each["name"]: each["value"] for each in analysis["args"]}
    assert {each["name"] for each in judge["spec"]["args"]} == set(given)
    assert given["seconds"] == "30"
    [pod] = [
        each["metadata"]["labels"]
        for name, each in pod_templates(resources)
        if name.startswith("trial ")
    ]
    finds = {
        each["metadata"]["name"]
        for each in resources
        if each["kind"] == "Service" and each["spec"]["selector"].items() <= pod.items()
    }
    assert finds == {given["service"]}
    budget = need(resources, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"]
    assert not budget.items() <= pod.items()
    own, database = (each["spec"] for each in resources if each["kind"] == "NetworkPolicy")
    selector = own["podSelector"]
    [component] = selector["matchExpressions"]
    assert selector["matchLabels"].items() <= pod.items()
    assert pod[component["key"]] in component["values"]
    admitted = [each["podSelector"]["matchLabels"] for each in database["ingress"][0]["from"]]
    assert any(each.items() <= pod.items() for each in admitted)


def test_who_judges_and_who_is_judged_are_left_alone_by_autoscalers_of_nodes(
    render: Render,
) -> None:
    """The end of a node would be taken for a fault of the version."""
    resources = render(ON)
    strategy = need(resources, "Rollout")["spec"]["strategy"]["canary"]
    job = need(resources, "AnalysisTemplate")["spec"]["metrics"][0]["provider"]["job"]["spec"]
    [trial] = strategy["steps"][0]["experiment"]["templates"]
    for place in (trial["metadata"], strategy["canaryMetadata"], job["template"]["metadata"]):
        assert place["annotations"] == {
            "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
            "karpenter.sh/do-not-disrupt": "true",
        }
    [rule] = job["podFailurePolicy"]["rules"]
    assert (rule["action"], rule["onPodConditions"][0]["type"]) == ("Ignore", "DisruptionTarget")


def test_judge_and_pods_have_the_same_token(render: Render) -> None:
    def tokens(resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
        job = need(resources, "AnalysisTemplate")["spec"]["metrics"][0]["provider"]["job"]["spec"]
        return [
            entry["valueFrom"]["secretKeyRef"]
            for template in (need(resources, "Rollout")["spec"]["template"], job["template"])
            for entry in containers(template)[-1].get("env", [])
            if entry["name"] == "METRICS_TOKEN"
        ]

    external = {
        "secretKey": {"existingSecret": "keys"},
        "database": {"existingSecret": "db", "bundled": {"enabled": False}},
    }
    made = render(ON | external)
    [job] = [each for each in made if each["kind"] == "Job" and "-secrets" in str(each["metadata"])]
    arguments = containers(job["spec"]["template"])[0]["args"]
    assert "METRICS_TOKEN" in arguments
    assert tokens(made) == [{"name": arguments[2], "key": "METRICS_TOKEN"}] * 2
    theirs = {"serviceMonitor": {"tokenSecret": {"name": "scraper", "key": "key"}}}
    assert tokens(render(ON | external | theirs)) == [{"name": "scraper", "key": "key"}] * 2
    assert tokens(render({"canary": {"enabled": True, "metrics": ""}} | external)) == []


def test_both_engines_have_the_same_limits_where_an_environment_names_none() -> None:
    text = (TERRAFORM / "modules" / "settings" / "variables.tf").read_text(encoding="utf-8")
    block = text.partition("deployment_alarms = optional(object({")[2].partition("}")[0]
    terraform = dict(re.findall(r"(\w+)\s+= optional\(number, ([\d.]+)\)", block))
    [rollout] = [each for each in helm.template(values=ON) if each["kind"] == "AnalysisTemplate"]
    job = rollout["spec"]["metrics"][0]["provider"]["job"]["spec"]
    settings = json.loads(containers(job["template"])[0]["args"][1])
    for name in ("errors_percent", "latency_seconds", "requests"):
        assert settings[name] == float(terraform[name])
