"""The only door to the emulators: their modules are typed as Any, since they ship no types of their own."""

import functools
from collections.abc import Callable
from importlib import import_module
from typing import Any


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
