"""What the package offers by name, to Python and to type checkers."""

import ast
from pathlib import Path

import atlasquery


def test_type_checkers_see_the_names_that_are_imported_on_first_use():
    tree = ast.parse(Path(atlasquery.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == atlasquery._LAZY
    assert set(atlasquery.__all__) == {*seen, "__citation__", "__version__"}
    assert (Path(atlasquery.__file__).parent / "py.typed").is_file()
