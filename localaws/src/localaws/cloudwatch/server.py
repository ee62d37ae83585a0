"""Runs moto with what Terraform needs of Application Auto Scaling: ``python -m localaws.cloudwatch.server <state>``."""

import json
import logging
import sys
from pathlib import Path
from typing import Any

from localaws import emulator, processes, settings, versions
from localaws.cloudwatch.state import Keeper


def extend() -> dict[str, dict[str, str]]:
    """Adds tags of scalable targets, which it returns by ARN; the other emulator knows the ECS services."""
    from moto.applicationautoscaling.models import (  # noqa: PLC0415 - after the version check
        ApplicationAutoscalingBackend,
    )
    from moto.applicationautoscaling.responses import (  # noqa: PLC0415
        ApplicationAutoScalingResponse,
    )

    tags: dict[str, dict[str, str]] = {}
    register = ApplicationAutoScalingResponse.register_scalable_target

    def register_scalable_target(self: Any) -> str:
        answer: str = register(self)
        given = self._get_param("Tags")
        if given:
            tags.setdefault(json.loads(answer)["ScalableTargetARN"], {}).update(given)
        return answer

    def tag_resource(self: Any) -> str:
        tags.setdefault(self._get_param("ResourceARN"), {}).update(self._get_param("Tags") or {})
        return "{}"

    def untag_resource(self: Any) -> str:
        kept = tags.setdefault(self._get_param("ResourceARN"), {})
        for key in self._get_param("TagKeys") or []:
            kept.pop(key, None)
        return "{}"

    def list_tags_for_resource(self: Any) -> str:
        return json.dumps({"Tags": tags.get(self._get_param("ResourceARN"), {})})

    ApplicationAutoScalingResponse.register_scalable_target = register_scalable_target
    ApplicationAutoScalingResponse.tag_resource = tag_resource
    ApplicationAutoScalingResponse.untag_resource = untag_resource
    ApplicationAutoScalingResponse.list_tags_for_resource = list_tags_for_resource
    # moto would look for the service among its own, of which there are none.
    ApplicationAutoscalingBackend._ecs_service_exists_for_target = lambda _self, _id: True
    return tags


def main() -> None:
    """Serves until it is ended."""
    chosen = settings.complete(settings.recorded(Path(sys.argv[1])))
    processes.announce(chosen, processes.MOTO)
    versions.check("moto")
    emulator.prepare(chosen)
    keeper = Keeper(chosen, extend())
    keeper.load()
    from moto.server import DomainDispatcherApplication, create_backend_app  # noqa: PLC0415
    from werkzeug.serving import run_simple  # noqa: PLC0415

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    application = DomainDispatcherApplication(create_backend_app)
    run_simple("127.0.0.1", chosen.moto_port, keeper.around(application), threaded=True)


if __name__ == "__main__":
    main()
