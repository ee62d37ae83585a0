"""What cannot read ``project.yaml`` or ``environments/``: written by ``./inv format``, compared by ``./inv lint``."""

import json
import re
import sys

from pipeline.core import files
from pipeline.core.errors import PipelineError
from pipeline.core.paths import CHART, ROOT
from pipeline.releases import environments, freeze
from pipeline.releases import project as projects
from pipeline.releases.project import Project

#: By file: whole lines as regular expressions, each with what stands there.
LINES = {
    "Dockerfile": {
        r"ARG WRITABLE=.*": 'ARG WRITABLE="{folders}"',
        r"ENV PORT=.*": (
            'ENV PORT={port} LIVE_PATH="{live}" PYTHONPATH="{python_path}" DATABASE_VARIABLES="{variables}"'
            ' SIGNING_KEY_VARIABLE="{signing_key}"{environment}'
        ),
        r"EXPOSE .*": "EXPOSE {port}",
        r"VOLUME .*": "VOLUME {volumes}",
        r"CMD .*": "CMD {command}",
    },
    "docker-compose.yml": {
        r"    image: \$\{WEB_IMAGE.*": "    image: ${{WEB_IMAGE:-{image}:latest}}",
        r"      <<: .*": "      <<: {placeholders}",
        r'      - "127.0.0.1:.*': '      - "127.0.0.1:${{WEB_PORT:-5000}}:{port}"',
    },
    "infra/helm/*/Chart.yaml": {r"name: .*": "name: {name}"},
    "argocd/apps/base/*.yaml": {
        r"        path: infra/helm/.*": "        path: infra/helm/{name}",
        r"          releaseName: .*": "          releaseName: {name}",
        r"            application: .*": "            application: {name}",
    },
    "argocd/apps/base/previews.yaml": {
        r"              enabled: .*": "              enabled: {has_host}",
        r"              host: .*": '              host: "{host}"',
        r"            service: .*": '            service: {{type: {service}, port: 80, loadBalancerClass: ""}}',
    },
    # An application that is not checked may have modules of our names, or of packages that we use.
    "pyproject.toml": {
        r"mypy_path = .*": 'mypy_path = "$MYPY_CONFIG_FILE_DIR{typed}:$MYPY_CONFIG_FILE_DIR/localaws/src"',
        r"pythonpath = .*": 'pythonpath = [".", {imported}"localaws/src"]',
    },
    "argocd/apps/base/project.yaml": {
        r"  syncWindows:.*(\n    .*)*": "  syncWindows:{windows}",
    },
}


def differing(*, write: bool = False) -> list[str]:
    """The places that differ from ``project.yaml``, such as ``Dockerfile: CMD …``; ``write`` corrects them."""
    project = projects.load()
    copy, content = CHART / "files" / "project.yaml", projects.FILE.read_text(encoding="utf-8")
    differences: list[str] = []
    if not copy.exists() or copy.read_text(encoding="utf-8") != content:
        differences.append(f"{copy.relative_to(ROOT)}: a copy of project.yaml")
        if write:
            files.write(copy, content)
    for pattern, lines in LINES.items():
        for path in ROOT.glob(pattern):
            before = text = path.read_text(encoding="utf-8")
            for line, template in lines.items():
                wanted = template.format_map(_values(project))
                escaped = wanted.replace("\\", r"\\")
                text, count = re.subn(rf"^{line}$", escaped, text, flags=re.M)
                if count == 0 and "*" not in pattern:
                    differences.append(f"{pattern}: {wanted} is missing")
            if text != before:
                differences.append(f"{path.relative_to(ROOT)}: the lines from project.yaml")
                if write:
                    files.write(path, text)
    return differences


def _values(project: Project) -> dict[str, object]:
    server = ["gunicorn", "--bind", f"0.0.0.0:{project.port}", "--workers", "2", project.wsgi]
    return {
        **vars(project),
        "live": project.probes.live,
        "folders": " ".join(project.writable),
        "volumes": json.dumps(["/tmp", *project.writable]),  # noqa: S108 - in the container
        "python_path": ":".join(["/app", *(f"/app/{folder}" for folder in project.python_path)]),
        "variables": project.database.assignments,
        "command": json.dumps(server),
        "environment": "".join(
            f" {name}={json.dumps(str(value))}" for name, value in project.environment.items()
        ).replace("$", r"\$"),
        # The ApplicationSet fills in the number.
        "host": project.previews.host("{{ .number }}"),
        "has_host": json.dumps(bool(project.previews.domain)),
        "service": "ClusterIP" if project.previews.domain else "LoadBalancer",
        # Compose takes what the shell or .env sets.
        "windows": _windows(project) or " []",
        "typed": ":$MYPY_CONFIG_FILE_DIR/app" if project.checked else "",
        "imported": '"app", ' if project.checked else "",
        "placeholders": json.dumps({name: f"${{{name}:-unset}}" for name in project.secrets}),
    }


def _windows(project: Project) -> str:
    """The freezes of all environments, as Argo CD's project has them."""
    lines = []
    for name in environments.names():
        for window in freeze.windows(environments.load(name).raw):
            applications = [f"{project.name}-{name}"]
            rules = {"kind": "deny", **window, "applications": applications, "manualSync": True}
            items = [f"{key}: {json.dumps(value)}" for key, value in rules.items()]
            lines += [f"    - {items[0]}", *(f"      {item}" for item in items[1:])]
    return "".join(f"\n{line}" for line in lines)


if __name__ == "__main__":
    try:
        differences = differing()
    except PipelineError as error:
        sys.exit(f"{error.cause}. Next: {error.next_step}.")
    if differences:
        sys.exit("\n".join([*differences, "run ./inv format, which writes them"]))
