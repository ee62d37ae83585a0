"""Access to the emulators: process settings, modules (typed as Any, as they ship no types) and hooks into them."""

import functools
import os
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

from localaws import variables
from localaws.settings import Settings

#: Set during shutdown, so that container exits do not count as task failures.
ending = threading.Event()


def prepare(settings: Settings) -> None:
    """Sets the emulators' own variables and removes the user's AWS from this process; call it before importing them."""
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
        "MOTO_ACCOUNT_ID": settings.account,
        "NO_PROXY": variables.no_proxy(os.environ),
        "PERSIST_STATE": "1",
        "RDS_BASE_PORT": str(settings.database_port),
        "RDS_PERSIST": "1",
        "S3_DATA_DIR": str(settings.state / "s3"),
        "S3_PERSIST": "1",
        "SFTP_ENABLED": "0",
        "STATE_DIR": str(settings.state / "state"),
    }


def service(name: str) -> Any:
    """A service module of ministack, such as ``ecs``; imported when first asked for."""
    return import_module(f"ministack.services.{name}")


def core(name: str) -> Any:
    """A module of ministack's core, such as ``responses``."""
    return import_module(f"ministack.core.{name}")


def wrap(module: Any, name: str, around: Callable[..., Any]) -> None:
    """Puts ``around(original, *args)`` in the place of a module's function, also in its table of API actions.

    Raises:
        AttributeError: The emulator has no such function, so it is not the version that we extend.
    """
    original = getattr(module, name)

    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return around(original, *args, **kwargs)

    replace(module, name, wrapped)


def replace(module: Any, name: str, substitute: Callable[..., Any]) -> None:
    """Puts ``substitute`` in the place of a module's function, also in its table of API actions.

    Raises:
        AttributeError: The emulator has no such function, so it is not the version that we extend.
    """
    original = getattr(module, name)
    setattr(module, name, substitute)
    actions = getattr(module, "_ACTION_MAP", {})
    for action, handler in list(actions.items()):
        if handler is original:
            actions[action] = substitute
