"""Finds paths that answer anybody without an error, in an application's code; runs none of it."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.adoption.callables import last

LIVE = ("healthz", "health", "livez", "live", "liveness", "alive", "healthcheck", "health_check")
READY = ("readyz", "ready", "readiness")
OTHERS = ("ping", "status", "up", "hello")
#: Decorators of views that answer strangers with an error or a redirect.
GUARDED = re.compile("login|auth|jwt|token|permission")
#: Blueprints of Flask and Flask-Smorest, APIs and namespaces of Flask-RESTful and Flask-RESTX; by the argument's name,
#: what each puts before the paths of its routes.
PREFIXED = {"Blueprint": "url_prefix", "APIBlueprint": "url_prefix", "Api": "prefix"}
NAMESPACES = {"Namespace", "namespace"}
REGISTERING = {"register_blueprint": "url_prefix", "add_namespace": "path"}
#: Of Flask-RESTful the first argument is the view, of Flask the first one is the path.
ADDING = {"add_resource", "add_url_rule"}


#: A variable of a module.
Variable = tuple[Path, str]


@dataclass(frozen=True)
class Route:
    """A path below the variable that it is of; ``plain``: it shows something itself, without leading elsewhere."""

    owner: str
    path: str
    plain: bool


@dataclass
class Names:
    """What variables are called in other modules, and what stands before their routes.

    ``prefixes`` and ``given`` (None: nothing) were said where a variable was made and where it was registered, with
    ``above``.
    """

    imported: dict[Variable, Variable] = field(default_factory=dict)
    modules: dict[Variable, Path] = field(default_factory=dict)
    prefixes: dict[Variable, str | None] = field(default_factory=dict)
    given: dict[Variable, str | None] = field(default_factory=dict)
    above: dict[Variable, Variable] = field(default_factory=dict)

    def variable(self, path: Path, name: str, depth: int = 9) -> Variable:
        """The variable that a name of a module stands for, where it was made."""
        first, _, rest = name.partition(".")
        if rest and (path, first) in self.modules:
            return self.variable(self.modules[path, first], rest, depth)
        if (path, name) in self.imported and depth:
            return self.variable(*self.imported[path, name], depth - 1)
        return path, name

    def whole(self, variable: Variable, route: str, depth: int = 9) -> str:
        """A route's path below all that its variable was registered with."""
        prefix = self.given.get(variable)
        prefix = (self.prefixes.get(variable) if prefix is None else prefix) or ""
        path = prefix.rstrip("/") + (route or ("" if prefix else "/"))
        above = self.above.get(variable)
        return self.whole(above, path, depth - 1) if above and depth else path


def find(texts: Mapping[Path, str]) -> tuple[str, str]:
    """The paths of the probes for life and readiness: those of health checks, else the first page."""
    trees = dict(_parsed(texts))
    names = Names()
    for path, tree in trees.items():
        for node in ast.walk(tree):
            _imports(names, trees, path, node)
    classes = {}
    for path, tree in trees.items():
        for node in ast.walk(tree):
            _prefixes(names, path, node)
            if isinstance(node, ast.ClassDef):
                classes[node.name] = node
    paths: dict[str, bool] = {}
    for path, tree in trees.items():
        for route in _routes(tree, classes):
            whole = names.whole(names.variable(path, route.owner), route.path)
            paths[whole] = paths.get(whole, False) or route.plain
    plain = [path for path, shows in paths.items() if shows]
    live, ready, other = (_named(plain, words) for words in (LIVE, READY, OTHERS))
    page = "/" if "/" in plain or not paths else min(plain or paths)
    return live or ready or other or page, ready or live or other or page


def _named(paths: list[str], words: tuple[str, ...]) -> str:
    """The first path that ends in the first of these words; empty: none does."""
    last = {
        path: path.rstrip("/").rpartition("/")[2].lstrip("_").replace("-", "_") for path in paths
    }
    return next((path for word in words for path in sorted(paths) if last[path] == word), "")


def _parsed(texts: Mapping[Path, str]) -> Iterator[tuple[Path, ast.Module]]:
    for path, text in texts.items():
        with suppress(SyntaxError):
            yield path, ast.parse(text)


def _imports(names: Names, paths: Iterable[Path], path: Path, node: ast.AST) -> None:
    if isinstance(node, ast.ImportFrom):
        for alias in node.names:
            key = (path, alias.asname or alias.name)
            dotted = ".".join(filter(None, (node.module, alias.name)))
            if module := _module(paths, path, dotted, node.level):
                names.modules[key] = module
            elif module := _module(paths, path, node.module or "", node.level):
                names.imported[key] = module, alias.name


def _module(paths: Iterable[Path], importer: Path, dotted: str, level: int) -> Path | None:
    """The file of a module that another one imports."""
    parts = tuple(filter(None, dotted.split(".")))
    base = importer.parents[level - 1].parts if level else ()
    for path in paths:
        own = path.parent.parts if path.stem == "__init__" else path.with_suffix("").parts
        if own == (*base, *parts) or (not level and own[-len(parts) :] == parts):
            return path
    return None


def _prefixes(names: Names, path: Path, node: ast.AST) -> None:
    """Notes what a blueprint, an API or a namespace puts before its routes, and what it is registered with."""
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
        call, function = node.value, last(node.value.func)
        variable = names.variable(path, ast.unparse(node.targets[0]))
        if function in NAMESPACES:
            title = _string(call.args[0]) if call.args else ""
            names.prefixes[variable] = _argument(call, "path") or f"/{title}"
            if function == "namespace":
                names.above[variable] = names.variable(path, _receiver(call))
        elif function in PREFIXED:
            names.prefixes[variable] = _argument(call, PREFIXED[function])
            if function == "Api" and call.args:
                names.above[variable] = names.variable(path, ast.unparse(call.args[0]))
    elif isinstance(node, ast.Call) and last(node.func) in REGISTERING and node.args:
        variable = names.variable(path, ast.unparse(node.args[0]))
        names.given[variable] = _argument(node, REGISTERING[last(node.func)])
        names.above[variable] = names.variable(path, _receiver(node))


def _routes(tree: ast.Module, classes: Mapping[str, ast.ClassDef]) -> Iterator[Route]:
    """Routes of views that answer anybody's GET without arguments."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and last(node.func) in ADDING and node.args:
            view = classes.get(last(node.args[0]))
            if view is None or _answers(view):
                for path in filter(None, map(_string, node.args)):
                    yield from _route(_receiver(node), path, plain=True)
        decorators = getattr(node, "decorator_list", ())
        calls = [each for each in decorators if isinstance(each, ast.Call) and _routing(each)]
        others = [ast.unparse(each) for each in decorators if each not in calls]
        if any(map(GUARDED.search, others)) or (
            isinstance(node, ast.ClassDef) and not _answers(node)
        ):
            continue
        for call in calls:
            methods = _methods(call)
            rule = _string(call.args[0]) if call.args else _argument(call, "rule")
            if "GET" in methods and rule is not None:
                # A form's page leads elsewhere once it is sent.
                plain = "POST" in methods or not _redirects(node)
                yield from _route(_receiver(call), rule, plain=plain)


def _route(owner: str, path: str, *, plain: bool) -> Iterator[Route]:
    if "<" not in path and path[:1] in ("", "/"):
        yield Route(owner, path, plain)


def _routing(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr in ("route", "get")


def _methods(call: ast.Call) -> set[str]:
    given = next((each.value for each in call.keywords if each.arg == "methods"), None)
    named = {_string(each) or "" for each in getattr(given, "elts", ())}
    return {each.upper() for each in named} or {"GET"}


def _redirects(node: ast.AST) -> bool:
    return any(
        isinstance(each, ast.Call) and last(each.func) == "redirect" for each in ast.walk(node)
    )


def _answers(view: ast.ClassDef) -> bool:
    """Whether a class answers GET to anybody; one without methods of its own may inherit them."""
    methods = [node for node in view.body if isinstance(node, ast.FunctionDef)]
    get = [node for node in methods if node.name in ("get", "dispatch_request")]
    guards = [
        *(ast.unparse(each) for node in get for each in node.decorator_list),
        *(
            ast.unparse(node.value)
            for node in view.body
            if isinstance(node, ast.Assign) and "decorators" in ast.unparse(node.targets[0])
        ),
    ]
    return bool(get or not methods) and not any(map(GUARDED.search, guards))


def _argument(call: ast.Call, name: str) -> str | None:
    return next((_string(each.value) for each in call.keywords if each.arg == name), None)


def _string(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _receiver(call: ast.Call) -> str:
    """The variable whose method is called."""
    return ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
