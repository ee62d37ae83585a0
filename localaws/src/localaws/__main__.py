"""The command ``localaws``: up, down, env and status. Options come from the command line, else from ``LOCALAWS_*``."""

import argparse
import json
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

from localaws import LocalAwsError, processes, settings, variables
from localaws.settings import Settings


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code is 0 only when its job is done."""
    given = vars(_parser().parse_args(argv))
    chosen = _settings(given)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that a start is undone as well
    try:
        given["command"](chosen, given)
    except LocalAwsError as error:
        print(f"localaws: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def up(chosen: Settings, _given: dict[str, Any]) -> None:
    """Starts it, or uses the one that runs with these settings and this code already."""
    from localaws import engine  # noqa: PLC0415 - docker-py takes its time

    with processes.exclusive(chosen):
        if _is_current(chosen):
            return
        owner = settings.recorded(chosen.state).get("owner", chosen.owner)
        if owner != chosen.owner:
            raise LocalAwsError(
                f"{chosen.state} belongs to the owner {owner}, not {chosen.owner}",
                f"choose another --state, or run localaws down --purge --state {chosen.state}",
            )
        processes.stop(chosen)
        processes.require_ports(chosen)
        engine.ensure_network(chosen)
        chosen.write(processes.fingerprint(chosen))
        processes.start(chosen)


def down(chosen: Settings, given: dict[str, Any]) -> None:
    """Ends it and removes its containers; with --purge all else, too."""
    from localaws import engine  # noqa: PLC0415 - docker-py takes its time

    existed = chosen.state.exists()
    with processes.exclusive(chosen):
        processes.stop(chosen)
        try:
            engine.remove(chosen, purge=given["purge"])
        except LocalAwsError as error:
            # An engine that does not run runs no container.
            print(f"localaws: {error}; nothing was removed from it", file=sys.stderr)
        if given["purge"] or not existed:
            shutil.rmtree(chosen.state)


def env(chosen: Settings, given: dict[str, Any]) -> None:
    """Prints the variables for a shell, or as JSON: {"set": {name: value}, "unset": [name]}."""
    to_set = variables.to_set(chosen, os.environ, https=given["https"])
    # A user's own AWS would lead a client past the local one.
    to_unset = [name for name in os.environ if name.startswith("AWS_") and name not in to_set]
    if given["json"]:
        print(json.dumps({"set": to_set, "unset": to_unset}))
        return
    if to_unset:
        print("unset", *to_unset)
    for name, value in to_set.items():
        print(f"export {name}={shlex.quote(value)}")


def status(chosen: Settings, given: dict[str, Any]) -> None:
    """Prints whether it runs and where it answers; starts nothing."""
    running = processes.answering(chosen)
    document = {
        "running": running,
        "current": running and _is_current(_settings(given | {"command": up})),
        "pid": processes.pid(chosen),
        "api": f"http://127.0.0.1:{chosen.api_port}",
        "registry": chosen.registry,
        "http": f"http://localhost:{chosen.http_port}",
        "https": f"https://localhost:{chosen.https_port}",
        "authority": str(chosen.authority),
        "state": str(chosen.state),
        "logs": str(chosen.logs),
    }
    if given["json"]:
        print(json.dumps(document))
        return
    for name, value in document.items():
        print(f"{name:10} {value}")


def _is_current(chosen: Settings) -> bool:
    """Whether the server runs with these settings and this code."""
    kept = settings.recorded(chosen.state).get("fingerprint")
    return kept == processes.fingerprint(chosen) and processes.answering(chosen)


def _settings(given: dict[str, Any]) -> Settings:
    """Command line, else variables, else (but for ``up``) what the last ``up`` was given, else the defaults."""
    options = settings.from_environment() | {
        option.name: given[option.name] for option in fields(Settings) if option.name in given
    }
    state = Path(options.get("state", Settings.state))
    record = {} if given["command"] is up else settings.recorded(state)
    return settings.complete(record | options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="localaws", description="A local AWS that runs tasks.")
    commands = parser.add_subparsers(required=True, metavar="{up,down,env,status}")
    options = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    for option in fields(Settings):
        kind, text = get_args(option.type)
        how = {"action": "store_true"} if kind is bool else {"type": kind}
        options.add_argument(
            f"--{option.name.replace('_', '-')}", help=f"{text} [{option.default}]", **how
        )
    for command in (up, down, env, status):
        text = str(command.__doc__)
        added = commands.add_parser(
            command.__name__, parents=[options], help=text, description=text
        )
        added.set_defaults(command=command)
        if command is down:
            added.add_argument(
                "--purge", action="store_true", help="forget state, volumes, network"
            )
        if command in (env, status):
            added.add_argument("--json", action="store_true", help="as one JSON document")
        if command is env:
            added.add_argument("--https", action="store_true", help="lead to the API by HTTPS")
    return parser


if __name__ == "__main__":
    sys.exit(main())
