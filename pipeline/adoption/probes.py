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
#: What may stand before a health check's own word: elsewhere the word is one of the application's matter.
BEFORE = re.compile(r"(/(_?health\w*|_?internal|api|v\d+))*/?")
#: Decorators that leave a view open to strangers. Any other may answer them with an error or a redirect.
HARMLESS = re.compile(
    r"\.(route|get|post|put|patch|delete|doc)$|output$|response$|cache|limit|exempt|cors$|cross_origin|templated|swag"
    r"|marshal|track|metric|timed|public|anonymous"
)
#: Words of pages that do something when they are asked for, or want a right.
BUSY = re.compile(
    r"admin|cron|export|backup|(log|sign)[_-]?out|delete|remove|reset|clear|purge|send|sync|trigger|hook|callback"
    r"|unsubscribe|debug",
    re.I,
)
BEFORE_ALL = {"before_request", "before_app_request"}
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


def find(texts: Mapping[Path, str]) -> tuple[str, str, list[str]]:
    """The paths of the probes for life and readiness: those of health checks, else the first page; and what to know."""
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
            if "<" not in whole:
                paths[whole] = paths.get(whole, False) or route.plain
    plain = [path for path, shows in paths.items() if shows]
    live, ready, other = (_named(plain, words) for words in (LIVE, READY, OTHERS))
    pages = [path for path in plain if not BUSY.search(path)]
    page = "/" if "/" in pages or not pages else min(pages)
    live, ready = live or ready or other or page, ready or live or other or page
    notes = []
    if paths and live == page and "/" not in pages:
        notes.append(f"no health route was found, the probes ask {page}: add one, such as /healthz")
    if guards := [
        path.name for path, tree in trees.items() if any(map(_turns_away, ast.walk(tree)))
    ]:
        notes.append(
            f"before_request in {', '.join(guards)} may turn requests away: not the probes' {live}"
        )
    return live, ready, notes


def _turns_away(node: ast.AST) -> bool:
    """Whether a function that runs before all requests answers some itself, or has a guard."""
    decorators = [ast.unparse(each) for each in getattr(node, "decorator_list", ())]
    own = [each for each in decorators if each.rpartition(".")[2] in BEFORE_ALL]
    return bool(own) and (len(decorators) > len(own) or _calls(node, {"redirect", "abort"}))


def _named(paths: list[str], words: tuple[str, ...]) -> str:
    """The first path that ends in the first of these words; empty: none does."""
    last = {}
    for path in sorted(paths):
        before, _, word = path.rstrip("/").rpartition("/")
        if BEFORE.fullmatch(before) or word.endswith(("z", "check", "ness")):
            last[path] = word.lstrip("_").replace("-", "_")
    return next((path for word in words for path in last if last[path] == word), "")


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
    """Routes that take GET without arguments, plain where their view answers anybody."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and last(node.func) in ADDING and node.args:
            view = classes.get(last(node.args[0]))
            for path in filter(None, map(_string, node.args)):
                yield from _route(_receiver(node), path, plain=view is None or _answers(view))
        decorators = getattr(node, "decorator_list", ())
        calls = [each for each in decorators if isinstance(each, ast.Call) and _routing(each)]
        strangers = _harmless(decorators) and (not isinstance(node, ast.ClassDef) or _answers(node))
        for call in calls:
            methods = _methods(call)
            rule = _string(call.args[0]) if call.args else _argument(call, "rule")
            if "GET" in methods and rule is not None:
                # A form's page leads elsewhere once it is sent.
                plain = strangers and ("POST" in methods or not _calls(node, {"redirect"}))
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


def _calls(node: ast.AST, functions: set[str]) -> bool:
    return any(
        isinstance(each, ast.Call) and last(each.func) in functions for each in ast.walk(node)
    )


def _answers(view: ast.ClassDef) -> bool:
    """Whether a class answers GET to anybody; one without methods of its own may inherit them."""
    methods = [node for node in view.body if isinstance(node, ast.FunctionDef)]
    get = [node for node in methods if node.name in ("get", "dispatch_request")]
    decorators = [
        *(each for node in get for each in node.decorator_list),
        *(
            each
            for node in view.body
            if isinstance(node, ast.Assign) and "decorators" in ast.unparse(node.targets[0])
            for each in getattr(node.value, "elts", [node.value])
        ),
    ]
    return bool(get or not methods) and _harmless(decorators)


def _harmless(decorators: Iterable[ast.expr]) -> bool:
    names = (each.func if isinstance(each, ast.Call) else each for each in decorators)
    return all(HARMLESS.search(ast.unparse(name)) for name in names)


def _argument(call: ast.Call, name: str) -> str | None:
    """An argument's string; as ``<…>``, like a route's variable, where it is no literal."""
    value = next((each.value for each in call.keywords if each.arg == name), None)
    if value is None or isinstance(value, ast.Constant):
        return _string(value)
    return f"<{ast.unparse(value)}>"


def _string(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _receiver(call: ast.Call) -> str:
    """The variable whose method is called."""
    return ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
