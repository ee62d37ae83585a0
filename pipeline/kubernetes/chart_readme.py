"""The README of the chart, from its values: ``python -m pipeline.kubernetes.chart_readme [--check]``."""

import sys

from pipeline.kubernetes import helm


def main(arguments: list[str]) -> int:
    """Writes or compares; 1 when the README is not what the values say."""
    wanted = helm.readme()
    if "--check" not in arguments:
        helm.README.write_text(wanted, encoding="utf-8")
        return 0
    if helm.README.is_file() and helm.README.read_text(encoding="utf-8") == wanted:
        return 0
    print(
        "infra/helm/ecs-saas-app/README.md is not what values.yaml says: python -m pipeline.kubernetes.chart_readme"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
