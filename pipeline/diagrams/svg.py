"""Draws graphs as SVG, in columns from left to right; the same input gives the same bytes on every machine."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

#: Pixels. Widths of letters are estimates for any sans-serif font.
LETTER, LINE, PAD, ROW_GAP, COLUMN_GAP, HEADING, MARGIN = 7.3, 17, 10, 14, 70, 34, 12
#: A background of its own: GitHub's theme need not be the one that the browser prefers.
STYLE = """
svg { --page: #ffffff; --box: #f6f8fa; --line: #59636e; --text: #1f2328; }
@media (prefers-color-scheme: dark) {
  svg { --page: #0d1117; --box: #21262d; --line: #9198a1; --text: #f0f6fc; }
}
text { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: var(--text); }
.name { font-weight: 600; }
.title { font-size: 15px; font-weight: 600; }
.label { text-anchor: middle; paint-order: stroke; stroke: var(--page); stroke-width: 8px; }
rect { fill: var(--box); stroke: var(--line); }
path { fill: none; stroke: var(--line); stroke-width: 1.3; }
.page { fill: var(--page); stroke: none; }
.perhaps { stroke-dasharray: 5 4; }
marker path { fill: var(--line); stroke: none; }
"""

#: Of a node: x, y, width and height.
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Edge:
    """An arrow; ``perhaps`` draws it dashed."""

    source: str
    target: str
    label: str = ""
    perhaps: bool = False


@dataclass
class Panel:
    """A graph without circles: a title, the lines of each node by its name, and the arrows."""

    title: str
    nodes: dict[str, list[str]]
    edges: list[Edge] = field(default_factory=list)


def draw(description: str, panels: Iterable[Panel]) -> str:
    """The SVG, its panels below each other; the description is for who cannot see it."""
    parts: list[str] = []
    width, top = 0.0, 0.0
    for panel in panels:
        boxes = _boxes(panel, top)
        ends = [x + wide + MARGIN for x, _, wide, _ in boxes.values()]
        width = max(width, 2 * MARGIN + len(panel.title) * 9, *ends)
        parts.append(
            f'<text class="title" x="{MARGIN}" y="{top + 23:.0f}">{escape(panel.title)}</text>'
        )
        parts += [_arrow(edge, boxes) for edge in panel.edges]
        for name, lines in panel.nodes.items():
            parts += _node(lines, *boxes[name])
        parts += [_label(edge, boxes) for edge in panel.edges if edge.label]
        top = max(y + h for _, y, _, h in boxes.values()) + ROW_GAP
    size = f"{width:.0f}", f"{top:.0f}"
    opening = '<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{0}" height="{1}" viewBox="0 0 {0} {1}">'
    marker = (
        '<marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z"/></marker>'
    )
    head = [
        opening.format(*size),
        f"<title>{escape(description)}</title>",
        f"<style>{STYLE}</style>",
        f"<defs>{marker}</defs>",
        '<rect class="page" width="{}" height="{}"/>'.format(*size),
    ]
    return "\n".join([*head, *parts, "</svg>"]) + "\n"


def _boxes(panel: Panel, top: float) -> dict[str, Box]:
    """The place of each node; its column is as near as can be to those of the nodes that it leads to."""
    columns = _columns(panel)
    heights = {name: len(lines) * LINE + PAD for name, lines in panel.nodes.items()}
    sizes = [0] * (max(columns.values()) + 1)
    for name, column in columns.items():
        sizes[column] += heights[name] + ROW_GAP
    gap = max((len(edge.label) * LETTER + 2 * PAD for edge in panel.edges), default=0)
    boxes: dict[str, Box] = {}
    x = float(MARGIN)
    for column, size in enumerate(sizes):
        names = [name for name in panel.nodes if columns[name] == column]
        names.sort(key={name: _middle(name, panel, boxes) for name in names}.__getitem__)
        width = max(len(line) for name in names for line in panel.nodes[name]) * LETTER + 2 * PAD
        y = top + HEADING + (max(sizes) - size) / 2
        for name in names:
            boxes[name] = (x, y, width, heights[name])
            y += heights[name] + ROW_GAP
        x += width + max(COLUMN_GAP, gap)
    return boxes


def _columns(panel: Panel) -> dict[str, int]:
    columns = dict.fromkeys(panel.nodes, 0)
    for _ in panel.nodes:
        for edge in panel.edges:
            columns[edge.target] = max(columns[edge.target], columns[edge.source] + 1)
    for name in sorted(panel.nodes, key=columns.__getitem__, reverse=True):
        targets = [columns[edge.target] for edge in panel.edges if edge.source == name]
        columns[name] = min(targets) - 1 if targets else columns[name]
    return columns


def _middle(name: str, panel: Panel, boxes: dict[str, Box]) -> float:
    """The mean height of what leads to a node, so that few arrows cross."""
    heights = [boxes[edge.source][1] for edge in panel.edges if edge.target == name]
    return sum(heights) / len(heights) if heights else 0


def _node(lines: Sequence[str], x: float, y: float, width: float, height: float) -> list[str]:
    parts = [f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{height:.0f}" rx="5"/>']
    for number, line in enumerate(lines):
        name = ' class="name"' if number == 0 else ""
        place = f'x="{x + PAD:.0f}" y="{y + LINE * (number + 1):.0f}"'
        parts.append(f"<text{name} {place}>{escape(line)}</text>")
    return parts


def _ends(edge: Edge, boxes: dict[str, Box]) -> tuple[float, float, float, float]:
    x, y, width, height = boxes[edge.source]
    to_x, to_y, _, to_height = boxes[edge.target]
    return x + width, y + height / 2, to_x, to_y + to_height / 2


def _arrow(edge: Edge, boxes: dict[str, Box]) -> str:
    x, y, to_x, to_y = _ends(edge, boxes)
    bend = COLUMN_GAP / 2
    curve = f"M{x:.0f} {y:.0f}C{x + bend:.0f} {y:.0f} {to_x - bend:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}"
    dashed = ' class="perhaps"' if edge.perhaps else ""
    return f'<path{dashed} d="{curve}" marker-end="url(#end)"/>'


def _label(edge: Edge, boxes: dict[str, Box]) -> str:
    x, y, to_x, to_y = _ends(edge, boxes)
    place = f'x="{(x + to_x) / 2:.0f}" y="{(y + to_y) / 2 + 4:.0f}"'
    return f'<text class="label" {place}>{escape(edge.label)}</text>'
