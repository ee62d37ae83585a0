"""Access to ministack: process settings, modules (typed as Any, as they ship no types) and hooks into them."""

import functools
import json
import os
import threading
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any
from xml.sax.saxutils import escape

from localaws import variables
from localaws.settings import Settings

#: Set during shutdown, so that container exits do not count as task failures.
ending = threading.Event()
#: Modules of ministack's core; other names are those of its services.
_CORE = ("iam_actions", "iam_evaluator", "persistence", "responses", "x509_utils")


class _Module:
    """A module that is imported at its first use, hence after ``prepare``."""

    def __init__(self, path: str) -> None:
        vars(self)["path"] = path

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(vars(self)["path"]), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(import_module(vars(self)["path"]), name, value)


def __getattr__(name: str) -> Any:
    """A module of ministack by its name, such as ``from localaws.emulator import ecs``."""
    if name.startswith("_"):
        raise AttributeError(name)
    return _Module(f"ministack.{'core' if name in _CORE else 'services'}.{name}")


def front() -> Any:
    """The module that hands each request to a service."""
    return import_module("ministack.app")


def prepare(settings: Settings) -> None:
    """Sets ministack's own variables and removes the user's AWS from this process; call it before importing it."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {
        "AUTH": str(settings.auth).lower(),
        "DOCKER_NETWORK": settings.network,
        "GATEWAY_PORT": str(settings.api_port),
        "HOSTNAME": "",  # ministack would look for itself among the containers, by this name
        "IOT_MTLS_ENABLED": "0",
        "LOG_LEVEL": "INFO",
        "MINISTACK_ACCOUNT_ID": settings.account,
        "MINISTACK_DOCKER_TIMEOUT": "60",
        "MINISTACK_HOSTNAME": settings.owner,  # with the port it tells our containers from another's
        "MINISTACK_IMAGE_PREFIX": settings.image_prefix,
        "MINISTACK_REGION": settings.region,
        "NO_PROXY": variables.no_proxy(os.environ),
        "PERSIST_STATE": "1",
        "RDS_BASE_PORT": str(settings.database_port),
        "RDS_PERSIST": "1",
        "S3_DATA_DIR": str(settings.state / "s3"),
        "S3_PERSIST": "1",
        "SFTP_ENABLED": "0",
        "STATE_DIR": str(settings.state / "state"),
    }


def in_background(name: str, work: Callable[..., Any], *arguments: Any) -> None:
    """Runs work in a thread of its own, in the caller's account and region."""
    import_module("ministack.core.concurrency").spawn_background(
        work, *arguments, thread_name=f"localaws-{name}"
    )


def wrap(module: Any, name: str, around: Callable[..., Any]) -> None:
    """Replaces a module's function by ``around(original, *args)``; raises AttributeError when there is none."""
    original = getattr(module, name)

    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return around(original, *args, **kwargs)

    replace(module, name, wrapped)


def replace(module: Any, name: str, substitute: Callable[..., Any]) -> None:
    """Replaces a module's function, also in its table of API actions; raises AttributeError when there is none."""
    original = getattr(module, name)
    setattr(module, name, substitute)
    actions = getattr(module, "_ACTION_MAP", {})
    for action, handler in list(actions.items()):
        if handler is original:
            actions[action] = substitute


def add_actions(module: Any, added: Mapping[str, Callable[[dict[str, Any]], Any]]) -> None:
    """Lets a service answer further actions of its JSON protocol, each by a function of the request's document."""

    async def handle(original: Any, *request: Any) -> Any:
        _, _, headers, body, _ = request  # method, path, headers, body and query parameters
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        if action not in added:
            return await original(*request)
        return added[action](json.loads(body))

    wrap(module, "handle_request", handle)


def xml(value: Any, item: str = "member") -> str:
    """A document as the Query protocol answers it; ``item`` is the name of a list's elements."""
    if isinstance(value, dict):
        return "".join(f"<{name}>{xml(each, item)}</{name}>" for name, each in value.items())
    if isinstance(value, list):
        return "".join(f"<{item}>{xml(each, item)}</{item}>" for each in value)
    return str(value).lower() if isinstance(value, bool) else escape(str(value))
