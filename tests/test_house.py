"""The structure of the package: imports go down, a name is one class, a client is a short list.

Each check is a function of a tree of modules that returns one line for each fault. It is run on the
package, and on a small package with a planted fault, which it has to find.
"""

import ast
import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "atlasquery"
SERVICES = ("alerce", "atlas", "forcedphot", "lccserver", "skyportal")
# A module or folder may import what is on a lower floor, and modules of its own folder.
FLOORS = {
    "redaction": 0,
    "exceptions": 1,
    "warn": 1,
    "sphere": 1,
    "service": 2,
    "tables": 3,
    "lightcurve": 4,
    "regions": 4,
    **dict.fromkeys(SERVICES, 5),
    # Questions to all services.
    "sky": 6,
    # Reads what was downloaded of any service.
    "hats": 5,
    # The sandbox simulates a server, so it shares nothing with what it is used to test.
    "sandbox": 0,
    "cli": 7,
    "__main__": 8,
}
# Clients, by folder.
CLIENTS = {
    "alerce": "AlerceClass",
    "atlas": "AtlasClass",
    "forcedphot": "AtlasForcedClass",
    "lccserver": "LCCServerClass",
    "skyportal": "SkyPortalClass",
}
MOST_CLASSES = 6
MOST_LINES = 900
# Each service has a Conf, as every package has in the configuration of astropy.
SHARED_NAMES = {"Conf"}


class Modules:
    """The modules of a package, parsed.

    Parameters
    ----------
    root : `~pathlib.Path`
        The folder of the package.
    """

    def __init__(self, root: Path):
        self.root = root
        self.paths = {}
        for path in sorted(root.rglob("*.py")):
            parts = (root.name, *path.relative_to(root).with_suffix("").parts)
            self.paths[".".join(parts).removesuffix(".__init__")] = path
        self.trees = {name: ast.parse(path.read_text()) for name, path in self.paths.items()}

    def folder(self, module: str) -> str:
        """Return the folder of a module, or the name of one that is in none."""
        return [*module.split("."), ""][1]

    def imports(self, module: str) -> Iterator[tuple[str, int]]:
        """Yield each module that a module imports at run time, and the line."""
        for node in _run_time(self.trees[module]):
            if isinstance(node, ast.Import):
                named = [name.name for name in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    here = module.split(".")
                    if self.paths[module].name != "__init__.py":
                        here = here[:-1]
                    here = here[: len(here) - node.level + 1]
                    base = ".".join([*here, base] if base else here)
                named = [self._imported(module, base, name.name) for name in node.names]
            else:
                continue
            for name in named:
                if name.split(".")[0] == self.root.name and name != module:
                    yield name, node.lineno

    def _imported(self, module: str, base: str, name: str) -> str:
        if f"{base}.{name}" in self.paths:
            return f"{base}.{name}"
        # A folder's configuration is in its __init__, as in astropy, above what imports it.
        return module if name == "conf" and module.startswith(f"{base}.") else base


def _run_time(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a tree, but not what only type checkers read."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for other in node.orelse:
                yield other
                yield from _run_time(other)
            continue
        yield node
        yield from _run_time(node)


def upward_imports(modules: Modules) -> list[str]:
    """Return imports of a higher floor, or of another folder of the same floor."""
    faults = []
    for module in modules.paths:
        folder = modules.folder(module)
        if folder and folder not in FLOORS:
            faults.append(f"{module} is on no floor: add {folder!r} to FLOORS")
            continue
        for imported, line in modules.imports(module):
            other = modules.folder(imported)
            # The package itself imports nothing at run time.
            if other in ("", folder) or FLOORS.get(other, 99) < FLOORS.get(folder, -1):
                continue
            faults.append(f"{module}:{line} imports {imported}")
    return faults


def circles(modules: Modules) -> list[str]:
    """Return groups of modules that import each other, at the start or in a function."""
    graph = {
        module: {name for name, _ in modules.imports(module) if name in modules.paths}
        for module in modules.paths
    }
    reached = {module: _reachable(graph, module) for module in graph}
    groups = {
        tuple(sorted(other for other in reached[module] if module in reached[other]))
        for module in graph
        if module in reached[module]
    }
    return [" <-> ".join(group) for group in sorted(groups)]


def _reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    found, todo = set(), [*graph[start]]
    while todo:
        module = todo.pop()
        if module not in found:
            found.add(module)
            todo += graph[module]
    return found


def repeated_classes(modules: Modules) -> list[str]:
    """Return names that two classes of the package have."""
    where: dict[str, list[str]] = {}
    for module, tree in modules.trees.items():
        for node in _run_time(tree):
            if isinstance(node, ast.ClassDef) and node.name not in SHARED_NAMES:
                where.setdefault(node.name, []).append(module)
    return [f"{name}: {', '.join(found)}" for name, found in where.items() if len(found) > 1]


def counted_frames(modules: Modules) -> list[str]:
    """Return warnings that do not find the user's frame by themselves."""
    faults = []
    for module, tree in modules.trees.items():
        if modules.folder(module) == "warn":
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called in ("warnings.warn", "sys._getframe", "inspect.stack"):
                    faults.append(f"{module}:{node.lineno} calls {called}")
            names = [node.arg] if isinstance(node, (ast.keyword, ast.arg)) else []
            if any(name in ("stacklevel", "depth") for name in names):
                faults.append(f"{module}:{node.lineno} counts frames: {names[0]}")
    return faults


def long_files(modules: Modules) -> list[str]:
    """Return files with more lines than a subject has."""
    lengths = {
        path.relative_to(modules.root).as_posix(): len(path.read_text().splitlines())
        for path in modules.paths.values()
    }
    return [f"{name} has {n} lines" for name, n in lengths.items() if n > MOST_LINES]


def tall_classes(clients: dict[str, type], package: str) -> list[str]:
    """Return clients that inherit from too many classes of the package."""
    faults = []
    for client in clients.values():
        classes = [kind for kind in client.__mro__ if kind.__module__.startswith(f"{package}.")]
        if len(classes) > MOST_CLASSES:
            names = ", ".join(kind.__name__ for kind in classes)
            faults.append(f"{client.__name__} has {len(classes)} classes: {names}")
    return faults


def scattered_helpers(clients: dict[str, type], package: str) -> list[str]:
    """Return private methods that are defined in another file than their class.

    A public method is listed in the class and defined in the module of its subject; what that
    function calls is a function of a module, or a method of a base class in the file of that.
    """
    faults = []
    for client in clients.values():
        for kind in client.__mro__:
            if not kind.__module__.startswith(f"{package}."):
                continue
            file = sys.modules[kind.__module__].__file__
            for name, value in vars(kind).items():
                function = value.fget if isinstance(value, property) else value
                function = inspect.unwrap(getattr(function, "__func__", function))
                if name.startswith("__") or not inspect.isfunction(function):
                    continue
                if not name.startswith("_"):
                    continue
                if function.__code__.co_filename != file:
                    faults.append(f"{kind.__name__}.{name} is in {function.__module__}")
                elif kind is client:
                    faults.append(f"{kind.__name__}.{name} is not in a base class")
    return faults


def unknown_helpers(modules: Modules, clients: dict[str, type]) -> list[str]:
    """Return uses of ``self._name`` in functions of a client that its classes do not have."""
    faults = []
    for folder, client in clients.items():
        known = {name for kind in client.__mro__ for name in vars(kind)} | set(vars(client()))
        for module, tree in modules.trees.items():
            if modules.folder(module) != folder:
                continue
            for function in tree.body:
                if not isinstance(function, ast.FunctionDef):
                    continue
                first = function.args.args[:1]
                if not first or first[0].arg != "self":
                    continue
                for node in ast.walk(function):
                    if not (isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self"):
                        continue
                    if node.attr not in known:
                        faults.append(f"{module}:{node.lineno} uses self.{node.attr}")
    return faults


@pytest.fixture(scope="module")
def package():
    """The package as it is."""
    return Modules(PACKAGE)


@pytest.fixture(scope="module")
def clients():
    """The classes of the clients, by folder."""
    return {
        folder: getattr(importlib.import_module(f"atlasquery.{folder}"), name)
        for folder, name in CLIENTS.items()
    }


@pytest.mark.parametrize("check", [upward_imports, circles, counted_frames, long_files])
def test_the_package_has_no_such_fault(package, check):
    assert check(package) == []


def test_no_name_is_shared(package):
    assert repeated_classes(package) == []


@pytest.mark.parametrize("check", [tall_classes, scattered_helpers])
def test_clients_are_tables_of_contents(clients, check):
    assert check(clients, "atlasquery") == []


def test_functions_of_a_client_use_what_its_classes_have(package, clients):
    assert unknown_helpers(package, clients) == []


# A small package in which all is well.
SOUND = {
    "__init__": "from typing import TYPE_CHECKING\n"
    "if TYPE_CHECKING:\n    from house.atlas.core import AtlasClass\n",
    "exceptions": "class QueryError(Exception):\n    pass\n",
    "warn": "import warnings\n\n\ndef warn(text, category):\n"
    "    warnings.warn(text, category, stacklevel=2)\n",
    "service/__init__": "",
    "service/query": "from typing import TYPE_CHECKING\n"
    "from house.exceptions import QueryError\n"
    "if TYPE_CHECKING:\n    from house.atlas.core import AtlasClass\n\n\n"
    "class ServiceQuery:\n    conf = 1\n\n    def _read(self):\n        return self.conf\n",
    "atlas/__init__": "conf = 1\nfrom house.atlas.core import AtlasClass\n",
    "atlas/base": "from house.atlas import conf\nfrom house.service.query import ServiceQuery\n\n\n"
    "class AtlasQuery(ServiceQuery):\n    conf = conf\n",
    "atlas/objects": "def get_objects(self):\n    return self._read()\n",
    "atlas/core": "from house.atlas import objects\nfrom house.atlas.base import AtlasQuery\n\n\n"
    "class AtlasClass(AtlasQuery):\n    get_objects = objects.get_objects\n",
    "sandbox/__init__": "class Sandbox:\n    pass\n",
    "cli/__init__": "from house.atlas import AtlasClass\nfrom house.sandbox import Sandbox\n",
}


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Return a function that writes a small package, with changes to some of its modules."""

    def write(changes: dict[str, str] | None = None) -> Modules:
        for name, source in {**SOUND, **(changes or {})}.items():
            path = tmp_path / "house" / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        for name in [name for name in sys.modules if name.split(".")[0] == "house"]:
            monkeypatch.delitem(sys.modules, name)
        return Modules(tmp_path / "house")

    yield write
    for name in [name for name in sys.modules if name.split(".")[0] == "house"]:
        del sys.modules[name]


def faults_of(check, modules: Modules) -> list[str]:
    if check not in (tall_classes, scattered_helpers, unknown_helpers):
        return check(modules)
    clients = {"atlas": importlib.import_module("house.atlas.core").AtlasClass}
    return check(modules, clients) if check is unknown_helpers else check(clients, "house")


CHECKS = (
    *(upward_imports, circles, repeated_classes, counted_frames, long_files),
    *(tall_classes, scattered_helpers, unknown_helpers),
)
PLANTED = [
    pytest.param(upward_imports, {"service/log": "from house.tables import rows\n"},
                 "house.service.log:1 imports house.tables", id="a floor up"),
    pytest.param(upward_imports, {"service/log": "def f():\n    from house.cli import x\n"},
                 "house.service.log:2 imports house.cli", id="a floor up, in a function"),
    pytest.param(upward_imports, {"service/log": "from ..atlas import core\n"},
                 "house.service.log:1 imports house.atlas.core", id="a floor up, by dots"),
    pytest.param(upward_imports, {"alerce/core": "import house.atlas.objects\n"},
                 "house.alerce.core:1 imports house.atlas.objects", id="another service"),
    pytest.param(upward_imports, {"sandbox/lists": "from house.service.query import x\n"},
                 "house.sandbox.lists:1 imports house.service.query", id="the sandbox"),
    pytest.param(upward_imports, {"exceptions": "from house.warn import warn\n"},
                 "house.exceptions:1 imports house.warn", id="the same floor"),
    pytest.param(upward_imports, {"tools": ""},
                 "house.tools is on no floor: add 'tools' to FLOORS", id="no floor"),
    pytest.param(circles, {"atlas/objects": "def get_objects(self):\n"
                           "    from house.atlas.core import AtlasClass\n"},
                 "house.atlas.core <-> house.atlas.objects", id="a circle"),
    pytest.param(circles, {"atlas/objects": "from house.atlas import AtlasClass\n\n\n"
                           "def get_objects(self):\n    return 1\n"},
                 "house.atlas <-> house.atlas.core <-> house.atlas.objects",
                 id="a circle over the folder"),
    pytest.param(repeated_classes, {"sandbox/__init__": "class AtlasQuery:\n    pass\n"
                                    "class Sandbox:\n    pass\n"},
                 "AtlasQuery: house.atlas.base, house.sandbox", id="a name twice"),
    pytest.param(counted_frames, {"service/log": "import warnings\nwarnings.warn('x')\n"},
                 "house.service.log:2 calls warnings.warn", id="a warning of Python's"),
    pytest.param(counted_frames, {"service/log": "def f(depth):\n    return 1\n"},
                 "house.service.log:1 counts frames: depth", id="a depth"),
    pytest.param(counted_frames, {"service/log": "f = g = print\nf(g(stacklevel=3))\n"},
                 "house.service.log:2 counts frames: stacklevel", id="a level"),
    pytest.param(long_files, {"service/log": "x = 1\n" * 901},
                 "service/log.py has 901 lines", id="a long file"),
    pytest.param(tall_classes, {"atlas/base": "from house.service.query import ServiceQuery\n"
                                "class A(ServiceQuery): pass\nclass B(A): pass\n"
                                "class C(B): pass\nclass D(C): pass\nclass AtlasQuery(D): pass\n"},
                 "AtlasClass has 7 classes: AtlasClass, AtlasQuery, D, C, B, A, ServiceQuery",
                 id="a tower"),
    pytest.param(scattered_helpers, {"atlas/objects": "def _helper(self): pass\n"
                                     "def get_objects(self): pass\n",
                                     "atlas/base": "from house.atlas import objects\n"
                                     "from house.service.query import ServiceQuery\n"
                                     "class AtlasQuery(ServiceQuery):\n"
                                     "    _helper = objects._helper\n"},
                 "AtlasQuery._helper is in house.atlas.objects", id="a helper of another file"),
    pytest.param(scattered_helpers, {"atlas/core": SOUND["atlas/core"] +
                                     "    def _helper(self):\n        return 1\n"},
                 "AtlasClass._helper is not in a base class", id="a helper in the table"),
    pytest.param(unknown_helpers, {"atlas/objects": "def get_objects(self):\n"
                                   "    return self._raed()\n"},
                 "house.atlas.objects:2 uses self._raed", id="an unknown helper"),
]  # fmt: skip


@pytest.mark.parametrize("check", CHECKS)
def test_a_sound_package_has_no_fault(build, check):
    assert faults_of(check, build()) == []


@pytest.mark.parametrize(("check", "changes", "fault"), PLANTED)
def test_a_planted_fault_is_found(build, check, changes, fault):
    assert fault in faults_of(check, build(changes))


def test_each_check_has_a_planted_fault():
    assert {param.values[0] for param in PLANTED} == set(CHECKS)
