"""Finds the WSGI callable of a Flask application, as gunicorn names it; runs none of its code."""

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pipeline.core.errors import PipelineError

#: Modules that Flask and its users give the application, the likeliest first.
MODULES = ("wsgi", "app", "application", "main", "run", "server", "manage", "autoapp")
INSTANCES = ("app", "application")
FACTORIES = ("create_app", "make_app")
CLASSES = {"Flask", "APIFlask", "OpenAPI"}
#: Modules and folders of tests, of packaging and of development, which make applications of their own.
OTHERS = re.compile(r"(setup|conftest|dev|examples?|scripts|mocks?|fakes?)$|(mock|fake)_")
#: Where gunicorn, or the shell before it, goes for imports.
FOLDER = re.compile(r"""(?:--(?:chdir|pythonpath)[\s="',]+|\bcd )(?:\./)?([\w-][\w/-]*)""")
CALLABLE = r"([A-Za-z_][\w.]*:[A-Za-z_]\w*(?:\(.*?\))?)"
SERVED = re.compile(rf"""[\s"']{CALLABLE}""")
FLASK_APP = re.compile(r"""FLASK_APP\s*=\s*["']?([\w./]+(?::\w+(?:\(.*?\))?)?)""")


def find(folder: Path, roots: Sequence[Path], sources: Sequence[Path]) -> str:
    """The callable that Procfile, ``.flaskenv`` or Dockerfile name, else the likeliest one of the code.

    ``roots`` are the folders that imports start at; raises PipelineError where there is none.
    """
    first = ""
    for name in _named(folder):
        if ":" in name and _file(roots, name):
            return _called(roots, name)
        first = first or name.partition(":")[0]
    unusable, others = "", []
    for module, path, usual in _modules(roots, sources, first):
        instance, factory, wanted = _callables(path)
        if instance or (factory and not wanted):
            others.append(f"{module}:{instance or f'{factory}()'}")
            if usual:
                return others[0]
        elif factory and not unusable:
            unusable = f"{module}:{factory}({', '.join(wanted)})"
    if len(others) > 1:
        raise PipelineError(
            f"more than one module has a Flask application: {', '.join(others)}",
            next_step=f"name the one to serve: --wsgi '{others[0]}'",
        )
    if others:
        return others[0]
    if unusable:
        raise PipelineError(
            f"the WSGI callable was not found: {unusable} wants arguments",
            next_step=f"name it with their values: --wsgi '{unusable}'",
        )
    raise PipelineError(
        "the WSGI callable was not found: no module has a Flask application",
        next_step="name it: --wsgi 'package:app'",
    )


def require(roots: Sequence[Path], wsgi: str) -> str:
    """The same callable, a factory with ``()``; raises PipelineError where its package is here without that module."""
    module = wsgi.partition(":")[0]
    if not has(roots, wsgi) and any((root / module.partition(".")[0]).exists() for root in roots):
        raise PipelineError(
            f"the application has no module {module}",
            next_step="name one that it has: --wsgi 'package:app'",
        )
    return _called(roots, wsgi)


def has(roots: Iterable[Path], wsgi: str) -> bool:
    """Whether the callable's module is one of the application, not of a package that it uses."""
    return _file(roots, wsgi) is not None


def folders(folder: Path) -> list[str]:
    """The folders below that Procfile and Dockerfile have gunicorn import from."""
    files = [path for path in (folder / "Procfile", folder / "Dockerfile") if path.is_file()]
    lines = "\n".join(path.read_text("utf-8-sig", "replace") for path in files).splitlines()
    named = FOLDER.findall("\n".join(line for line in lines if "gunicorn" in line))
    return [name for name in dict.fromkeys(named) if (folder / name).is_dir()]


def _named(folder: Path) -> Iterator[str]:
    """Callables and modules that the files name which start the application, the most telling file first."""
    for name in ("Procfile", ".flaskenv", "Dockerfile"):
        path = folder / name
        text = path.read_text("utf-8-sig", "replace") if path.is_file() else ""
        if name == ".flaskenv":
            for app in FLASK_APP.findall(text):
                yield app.removesuffix(".py").replace("/", ".")
        else:
            for line in text.replace("\\\n", " ").splitlines():
                yield from SERVED.findall(line.partition("gunicorn")[2].replace('\\"', '"'))


def _file(roots: Iterable[Path], wsgi: str) -> Path | None:
    """The file of a callable's module; as Python has it, a package goes before a module of the same name."""
    place = wsgi.partition(":")[0].replace(".", "/")
    places = (root / name for root in roots for name in (f"{place}/__init__.py", f"{place}.py"))
    return next(filter(Path.is_file, places), None)


def _called(roots: Iterable[Path], wsgi: str) -> str:
    """The same, with ``()`` behind a function's bare name: Flask calls it by itself, gunicorn does not."""
    path = _file(roots, wsgi)
    name = wsgi.partition(":")[2]
    functions = [node.name for node in _statements(path) if isinstance(node, ast.FunctionDef)]
    return f"{wsgi}()" if name in functions else wsgi


def _modules(
    roots: Sequence[Path], sources: Sequence[Path], first: str
) -> Iterator[tuple[str, Path, bool]]:
    """Modules that may hold the callable, the likeliest first: named, usual names, packages (True), others."""
    if path := _file(roots, first) if first else None:
        yield first, path, True
    for root in roots:
        for name in MODULES:
            if path := _file([root], name):
                yield name, path, True
        packages = [path.parent for path in sources if path.match("*/__init__.py")]
        for package in (path for path in packages if path.parent == root):
            for name in ("__init__", *MODULES, "factory"):
                if (package / f"{name}.py").is_file():
                    dotted = package.name if name == "__init__" else f"{package.name}.{name}"
                    yield dotted, package / f"{name}.py", True
    for path in sorted(sources, key=lambda path: (len(path.parts), path)):
        root = next(root for root in reversed(roots) if path.is_relative_to(root))
        parts = path.relative_to(root).with_suffix("").parts
        module = ".".join(parts).removesuffix(".__init__")
        own = all(map(str.isidentifier, parts)) and _file([root], module) == path
        if own and not any(map(OTHERS.match, parts)):
            yield module, path, False


def _statements(path: Path | None) -> Iterator[ast.stmt]:
    """What a module runs at its import, conditions and attempts too; nothing where it cannot be read."""
    try:
        waiting = ast.parse(path.read_text("utf-8-sig", "replace")).body[::-1] if path else []
    except SyntaxError:
        return
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and "__name__" not in ast.unparse(node.test):
            waiting += [*node.body, *node.orelse][::-1]
        elif isinstance(node, ast.Try | ast.With):
            waiting += node.body[::-1]


def _callables(path: Path) -> tuple[str, str, list[str]]:
    """A module's instance and its factory (empty: none), and the factory's arguments without defaults."""
    instance = factory = ""
    wanted: list[str] = []
    classes = {*CLASSES}
    for node in _statements(path):
        if isinstance(node, ast.ClassDef) and classes & {*map(last, node.bases)}:
            classes.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
            function = last(node.value.func if isinstance(node.value, ast.Call) else node.value)
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            # Dash's application has Flask's as its attribute ``server``.
            dash = names == ["server"] and function == "server"
            if dash or (names and function in {*classes, *FACTORIES, factory}):
                instance = names[0]
        elif isinstance(node, ast.ImportFrom) and path.stem in MODULES:
            imported = [alias.asname or alias.name for alias in node.names]
            instance = instance or next((name for name in imported if name in INSTANCES), "")
        elif isinstance(node, ast.FunctionDef) and (
            node.name in FACTORIES or (not factory and _makes(node, classes))
        ):
            factory, arguments = node.name, node.args
            positional = [*arguments.posonlyargs, *arguments.args]
            keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
            wanted = [
                *(each.arg for each in positional[: len(positional) - len(arguments.defaults)]),
                *(f"{each.arg}=…" for each, default in keywords if default is None),
            ]
    return instance, factory, wanted


def _makes(function: ast.FunctionDef, classes: set[str]) -> bool:
    """Whether a function makes an application and returns something; a fixture of pytest has a decorator."""
    nodes = [*ast.walk(function)]
    made = any(isinstance(node, ast.Call) and last(node.func) in classes for node in nodes)
    returns = any(isinstance(node, ast.Return) and node.value for node in nodes)
    return made and returns and not function.decorator_list


def last(expression: ast.expr) -> str:
    return ast.unparse(expression).rpartition(".")[2]
