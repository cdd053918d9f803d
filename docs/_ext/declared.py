"""Directives that print the declarations of the package, so that the pages agree with it."""

import importlib
import re

from astropy import units as u
from astropy.config import ConfigItem
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from atlasquery.tables import Nested, Quoted

KINDS = {float: "float", int: "int64", Quoted: "int64", str: "str", bool: "bool"}


def resolve(path):
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def list_table(head, rows, widths):
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in (head, *rows):
        for n, cell in enumerate(row):
            lines.append(f"   {'* -' if n == 0 else '  -'} {cell}")
    return "\n".join(lines)


def literal(text):
    return f"``{text}``" if text else ""


def unit(column):
    return "" if column.unit is None else u.Unit(column.unit).to_string()


class DeclaredColumns(SphinxDirective):
    """The columns of one kind of row; names after the first argument are left out."""

    required_arguments = 1
    optional_arguments = 100

    def run(self):
        declaration, *skipped = self.arguments
        declared = [c for c in resolve(declaration) if c.kind is not Nested]
        columns = [c for c in declared if c.name not in skipped]
        rows = [
            (
                literal(c.name),
                literal(c.wire) if c.wire != c.name else "",
                # Time stamps have no numpy type.
                KINDS.get(c.kind, "Time"),
                unit(c),
                c.about.replace("|", r"\|"),
            )
            for c in columns
        ]
        head = ("Column", "Sent as", "Type", "Unit", "Meaning")
        return self.parse_text_to_nodes(list_table(head, rows, "22 18 9 11 40"))


class CleaningRules(SphinxDirective):
    """The thresholds of cleaning, the bits that they set, and the presets that have them."""

    def run(self):
        rules = resolve("atlasquery.lightcurve.presets.RULES")
        presets = resolve("atlasquery.lightcurve.presets.PRESETS")
        signs = {"min": "≥", "max": "≤", "equal": "="}
        rows = []
        for name, rule in rules.items():
            kind = name.rpartition("_")[2] if rule.kind == "group" else rule.kind
            cells = []
            for preset in presets.values():
                bound = preset.bounds.get(name)
                sign = signs.get(kind, "")
                sign = {"≥": ">", "≤": "<"}[sign] if bound and bound.strict else sign
                cells.append(f"{sign} {bound.value:g}".strip() if bound else "")
            flag = f"{literal(rule.flag.name)} {rule.flag.value}"
            what = u.Unit(rule.unit).to_string() if rule.unit is not None else ""
            rows.append((literal(name), flag, what, *cells))
        head = ("Threshold", "Bit", "Unit", *map(literal, presets))
        widths = " ".join(["22", "20", "10"] + ["10"] * len(presets))
        return self.parse_text_to_nodes(list_table(head, rows, widths))


class ConfigurationItems(SphinxDirective):
    """The items of a configuration namespace, with their defaults."""

    required_arguments = 1

    def run(self):
        conf = resolve(self.arguments[0])
        items = {
            name: item
            for cls in reversed(type(conf).__mro__)
            for name, item in vars(cls).items()
            if isinstance(item, ConfigItem)
        }
        rows = [
            (literal(name), literal(repr(item.defaultvalue)), item.description)
            for name, item in sorted(items.items())
        ]
        return self.parse_text_to_nodes(
            list_table(("Item", "Default", "Meaning"), rows, "18 32 50")
        )


class NotebookOutput(SphinxDirective):
    """The output of a notebook for the last line of some code, which is run."""

    has_content = True

    def run(self):
        *lines, last = self.content
        names = {}
        exec("\n".join(lines), names)  # noqa: S102
        shown = eval(last, names)._repr_html_()  # noqa: S307
        # The sandbox has no web pages, and is gone when this page is read.
        shown = re.sub(r'(?s)<a href="http://127\.0\.0\.1:[^>]*>(.*?)</a>', r"\1", shown)
        box = f'<div class="notebook-output">{shown}</div>'
        return [nodes.raw("", box, format="html")]


def setup(app):
    app.add_directive("notebook-output", NotebookOutput)
    app.add_directive("declared-columns", DeclaredColumns)
    app.add_directive("cleaning-rules", CleaningRules)
    app.add_directive("configuration-items", ConfigurationItems)
    return {"version": "1", "parallel_read_safe": True}
