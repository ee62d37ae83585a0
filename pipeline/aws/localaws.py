"""The local AWS: starts, stops and describes the emulators that ``pipeline/localaws`` extends.

The two servers outlive the task that starts them, and their state (``.local/aws``) outlives the servers.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker
import httpx
from docker.errors import APIError, NotFound
from localaws.settings import Settings

from pipeline.core import console, daemons, locks, ports
from pipeline.core.paths import CHECKOUT_ID, CHECKOUT_LABEL, ENGINES, LOGS, ROOT
from pipeline.core.tools import python_environment
from pipeline.images import docker as engine

ACCOUNT = "123456789012"
REGION = "us-east-1"
STATE = ENGINES / "aws"
SOURCES = ROOT / "localaws" / "src"
#: The certificate of the authority behind everything that it serves by HTTPS.
AUTHORITY = STATE / "web-ca.pem"
#: The label's value of all that the local AWS of this checkout starts.
OWNER = CHECKOUT_ID
NETWORK = f"ecs-saas-app-{OWNER}"
#: Prefix of the database images; ministack asks for ``<prefix>/postgres:<major>-alpine``.
IMAGE_PREFIX = "ecs-saas-app"

API = "localaws"
MOTO = "localaws-moto"
START_SECONDS = 60
ANSWER_SECONDS = 2
OK = 200

#: Variables of a user's own AWS set-up that would lead a client past the local AWS.
REMOVED = (
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_DEFAULT_PROFILE",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)


def endpoint() -> str:
    """The AWS API, by address: the S3 backend addresses buckets by path then."""
    return f"http://127.0.0.1:{ports.AWS_API}"


def tls() -> dict[str, str]:
    """The variables that lead a program to the same API by HTTPS: some policies allow nothing else."""
    secure = f"https://127.0.0.1:{ports.AWS_API_TLS}"
    return {
        "AWS_ENDPOINT_URL": secure,
        "AWS_ENDPOINT_URL_STS": secure,
        "AWS_CA_BUNDLE": str(AUTHORITY),
    }


def registry() -> str:
    """The image registry as ``docker push`` names it, such as ``localhost:4566``."""
    return f"localhost:{ports.AWS_API}"


def url(*, https: bool = False) -> str:
    """The load balancers' port 80 or 443, as a browser reaches it."""
    if https:
        return f"https://localhost:{ports.BALANCER_HTTPS}"
    return f"http://localhost:{ports.BALANCER_HTTP}"


def environment() -> dict[str, str]:
    """The variables that lead Terraform, boto3 and the AWS CLI to the local AWS; remove those of ``REMOVED`` too."""
    moto = f"http://127.0.0.1:{ports.MOTO}"
    return {
        "AWS_ENDPOINT_URL": endpoint(),
        "AWS_ENDPOINT_URL_STS": endpoint(),  # web-identity credentials look for this one alone
        "AWS_ENDPOINT_URL_CLOUDWATCH": moto,
        "AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING": moto,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,  # boto3 knows this one alone
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": _no_proxy(os.environ),
        "no_proxy": _no_proxy(os.environ),
    }


def process_environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The whole environment of a program that is to use the local AWS, made from ``base`` (or this process's)."""
    kept = {
        name: value
        for name, value in (os.environ if base is None else base).items()
        if name not in REMOVED and not name.startswith("AWS_ENDPOINT_URL")
    }
    return kept | environment()


def start(*, auth: bool = False, cpu_quota: bool = False) -> None:
    """Starts the local AWS, or uses the one of this checkout that runs already.

    Args:
        auth: Check identities and IAM policies (tests of roles); without it every request is allowed.
        cpu_quota: Cap a task's CPU at its definition, as Fargate does, instead of only weighing it.

    Raises:
        PipelineError: Docker does not answer, a port is taken, or a server did not become ready.
    """
    settings = _settings(cpu_quota=cpu_quota)
    wanted = _fingerprint(settings, auth=auth)
    with locks.exclusive(API, wait=True):
        if running() and _started_as() == wanted:
            return
        _stop_servers()
        _network(engine.client())
        python = python_environment("localaws") / "bin" / "python"
        for port, purpose in (
            (ports.AWS_API, "the local AWS"),
            (ports.AWS_API_TLS, "the local AWS by HTTPS"),
            (ports.MOTO, "the local AWS's alarms and scaling"),
            (ports.BALANCER_HTTP, "the load balancer's front door"),
            (ports.BALANCER_HTTPS, "the load balancer's HTTPS front door"),
        ):
            ports.require_free(port, purpose)
        STATE.mkdir(parents=True, exist_ok=True)
        environ = _server_environment(settings, auth=auth)
        with console.progress("Local AWS"), ThreadPoolExecutor(max_workers=2) as pool:
            started = [
                pool.submit(
                    daemons.start,
                    name,
                    [python, "-m", f"localaws.{module}"],
                    env=environ,
                    ready=ready,
                    timeout=START_SECONDS,
                    cwd=ROOT,
                )
                for name, module, ready in (
                    (API, "server", _api_ready),
                    (MOTO, "cloudwatch.server", _moto_ready),
                )
            ]
            try:
                for future in started:
                    future.result()
            except BaseException:
                _stop_servers()
                raise
        (STATE / "started-as").write_text(wanted, encoding="utf-8")


def stop(*, purge: bool = False) -> bool:
    """Ends the local AWS and removes its containers; True when there was something to end.

    Args:
        purge: Forget everything: the state, the databases' volumes and the network.
    """
    with locks.exclusive(API, wait=True):
        found = _stop_servers()
        client = engine.running_engine()
        if client is not None:
            found = _remove_containers(client) or found
            if purge:
                _remove_volumes_and_network(client)
                _forget_pulled_images(client)
        if purge and STATE.exists():
            shutil.rmtree(STATE)
            found = True
    return found


def running() -> bool:
    """Whether both servers of this checkout run and answer."""
    return daemons.alive(API) and daemons.alive(MOTO) and _api_ready() and _moto_ready()


def logs() -> tuple[Path, Path]:
    """The servers' log files."""
    return LOGS / f"{API}.log", LOGS / f"{MOTO}.log"


def _settings(*, cpu_quota: bool) -> Settings:
    return Settings(
        api_port=ports.AWS_API,
        api_tls_port=ports.AWS_API_TLS,
        moto_port=ports.MOTO,
        http_port=ports.BALANCER_HTTP,
        https_port=ports.BALANCER_HTTPS,
        account=ACCOUNT,
        region=REGION,
        network=NETWORK,
        label_key=CHECKOUT_LABEL,
        label_value=OWNER,
        state=STATE,
        cpu_quota=cpu_quota,
    )


def _server_environment(settings: Settings, *, auth: bool) -> dict[str, str]:
    """What the servers see: the user's environment without AWS, the emulators' own settings, and ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | _own_variables(settings, auth=auth)


def _own_variables(settings: Settings, *, auth: bool) -> dict[str, str]:
    return {
        "AUTH": str(auth).lower(),
        "DOCKER_NETWORK": settings.network,
        "GATEWAY_PORT": str(settings.api_port),
        # ministack would look for itself among the containers, by this name.
        "HOSTNAME": "",
        "IOT_MTLS_ENABLED": "0",
        "LOG_LEVEL": "INFO",
        "MINISTACK_ACCOUNT_ID": settings.account,
        "MINISTACK_DOCKER_TIMEOUT": "60",
        # With the port it tells our containers from those of another checkout.
        "MINISTACK_HOSTNAME": OWNER,
        "MINISTACK_IMAGE_PREFIX": IMAGE_PREFIX,
        "MINISTACK_REGION": settings.region,
        "MOTO_ACCOUNT_ID": settings.account,
        "NO_PROXY": _no_proxy(os.environ),
        "PERSIST_STATE": "1",
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPATH": str(SOURCES),
        "PYTHONUNBUFFERED": "1",
        "RDS_BASE_PORT": str(ports.RDS_BASE),
        "RDS_PERSIST": "1",
        "S3_DATA_DIR": str(settings.state / "s3"),
        "S3_PERSIST": "1",
        "SFTP_ENABLED": "0",
        "STATE_DIR": str(settings.state / "state"),
        **settings.variables(),
    }


def _fingerprint(settings: Settings, *, auth: bool) -> str:
    """Changes with anything that a running server would have to be started again for."""
    digest = hashlib.sha256(repr(sorted(_own_variables(settings, auth=auth).items())).encode())
    sources = sorted(SOURCES.rglob("*.py"))
    for file in (ROOT / "requirements" / "localaws.txt", *sources):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _started_as() -> str:
    file = STATE / "started-as"
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def _stop_servers() -> bool:
    # Both, whatever became of the first.
    return any([daemons.stop(API), daemons.stop(MOTO)])


def _api_ready() -> bool:
    return _answers(f"{endpoint()}/_ministack/ready")


def _moto_ready() -> bool:
    return _answers(f"http://127.0.0.1:{ports.MOTO}/moto-api/data.json")


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=ANSWER_SECONDS, trust_env=False).status_code == OK
    except httpx.HTTPError:
        return False


def _network(client: docker.DockerClient) -> None:
    """Makes the network of tasks and databases: a user-defined one, since only those resolve names."""
    try:
        client.networks.get(NETWORK)
    except NotFound:
        client.networks.create(NETWORK, driver="bridge", labels={CHECKOUT_LABEL: OWNER})


def _mine(*more: str) -> dict[str, Any]:
    return {"label": [f"{CHECKOUT_LABEL}={OWNER}", *more]}


def _remove_containers(client: docker.DockerClient) -> bool:
    found = client.containers.list(all=True, sparse=True, filters=_mine("ministack"))
    for container in found:
        try:
            container.remove(force=True, v=True)
        except APIError as error:
            # Gone, or on its way: what is wanted.
            if error.status_code not in (404, 409):
                raise
    return bool(found)


def _remove_volumes_and_network(client: docker.DockerClient) -> None:
    for volume in client.volumes.list(filters=_mine()):
        name = str(volume.name)
        if "com.docker.compose.project" in (volume.attrs.get("Labels") or {}):
            continue  # the compose target's, whose name begins with ecs- too
        if name.startswith(("ministack-rds-", "ecs-")):
            volume.remove(force=True)
    for network in client.networks.list(names=[NETWORK], filters=_mine()):
        if network.name == NETWORK:  # the engine also lists names that only contain it
            network.remove()


def _forget_pulled_images(client: docker.DockerClient) -> None:
    """Drops the names under which tasks pulled from the registry that is gone; images with other names stay."""
    prefix = f"{registry()}/"
    for image in client.images.list():
        for reference in [*image.tags, *(image.attrs.get("RepoDigests") or [])]:
            if reference.startswith(prefix):
                try:
                    client.images.remove(reference, force=True)
                except APIError as error:
                    # The last name has taken the others with it, or a container of somebody else uses the image.
                    if error.status_code not in (404, 409):
                        raise


def _no_proxy(environ: Mapping[str, str]) -> str:
    """The user's proxy exceptions with this machine added."""
    given = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    entries = [one.strip() for one in given.split(",") if one.strip()]
    return ",".join(dict.fromkeys([*entries, "127.0.0.1", "localhost"]))
