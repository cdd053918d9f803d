"""Configuration of the documentation, on that of astropy and its affiliated packages."""

import os
import re
import sys
import tempfile
from importlib.metadata import version as installed
from pathlib import Path

from sphinx_astropy.conf.v3 import *  # noqa: F403
from sphinx_astropy.conf.v3 import extensions

sys.path.insert(0, str(Path(__file__).parent / "_ext"))
sys.path.insert(1, str(Path(__file__).parent / "new_survey"))

project = "atlasquery"
author = "The atlasquery developers"
copyright = author
release = installed(project)
version = release.partition(".dev")[0]

extensions = [*extensions, "declared", "myst_nb"]
exclude_patterns = ["_build", "_ext", "_includes", "_templates", "api/*.inc", "new_survey"]
suppress_warnings = ["app.add_directive"]

# The pages are built without a network; references to other projects become links only with
# this variable.
if os.environ.get("ATLASQUERY_DOCS_INTERSPHINX"):
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3/", None),
        "numpy": ("https://numpy.org/doc/stable/", None),
        "matplotlib": ("https://matplotlib.org/stable/", None),
        "astropy": ("https://docs.astropy.org/en/stable/", None),
        "astroquery": ("https://astroquery.readthedocs.io/en/stable/", None),
        "requests": ("https://requests.readthedocs.io/en/stable/", None),
    }
else:
    intersphinx_mapping = {}
nitpicky = False

automodsumm_inherited_members = True
autodoc_typehints = "none"
# The class and its constructor are documented in one place, the class.
autoclass_content = "class"
numpydoc_show_class_members = False

html_title = f"{project} {release}"
html_logo = "_static/logo.svg"
html_favicon = "_static/logo.svg"
html_theme_options = {
    # The header is that of this package, and not of the Astropy project, of which it is no part.
    "sst_project_name": project,
    "sst_is_root": True,
    "navbar_links": [
        ["Getting started", "getting_started"],
        ["Gallery", "gallery"],
        ["Services", "find"],
        ["Reference", "reference"],
        ["Changes", "changes"],
    ],
    "footer_links": [],
    "logo": {"text": project, "alt_text": "atlasquery: a light curve"},
    # Visits are not counted, and searches stay in these pages.
    "goatcounter_analytics_url": False,
    "rtd_search": False,
    "navigation_with_keys": False,
    "show_nav_level": 1,
    "navigation_depth": 2,
    "show_prev_next": True,
}
# Previews of pages need no image of the title.
ogp_social_cards = {"enable": False}
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["atlasquery.css"]
# The list of methods beside a page has their names without that of the class.
toc_object_entries_show_parents = "hide"
html_show_sourcelink = False
html_last_updated_fmt = None

# Notebooks are run here, on the sandbox; what they write goes to a temporary folder.
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
# For one cell; a machine that builds packages may do other things at the same time.
nb_execution_timeout = 900

plot_include_source = True
plot_html_show_formats = False
plot_html_show_source_link = False
plot_formats = [("png", 130)]


def _start_sandbox(app):
    """Run the examples of plots on the sandbox, without cache and configuration."""
    import tiny_server
    from astropy.config import paths
    from astroquery import log

    import atlasquery
    from atlasquery.sandbox import Sandbox

    app.private = tempfile.TemporaryDirectory()
    for kind in ("cache", "config"):
        Path(app.private.name, kind).mkdir()
    paths.set_temp_cache(Path(app.private.name, "cache")).__enter__()
    paths.set_temp_config(Path(app.private.name, "config")).__enter__()
    app.sandbox = Sandbox(services="all").use()
    atlasquery.__path__.append(str(Path(__file__).parent / "new_survey"))
    app.tiny = tiny_server.start()
    os.environ["ATLASQUERY_TINY_SERVER"] = app.tiny.url
    log.setLevel("WARNING")


def _stop_sandbox(app, exception):
    app.tiny.shutdown()
    app.tiny.server_close()
    app.sandbox.stop()
    app.private.cleanup()


def _break_names(app, pagename, templatename, context, doctree):
    """Allow breaks of names after an underscore, where the style allows any: in narrow tables."""
    if "body" in context:
        context["body"] = re.sub(
            r'(?<=<span class="pre">)[^<]+',
            lambda name: re.sub(r"(?<=[_/.])(?=\w)", "<wbr>", name[0]),
            context["body"],
        )


def setup(app):
    app.connect("builder-inited", _start_sandbox)
    app.connect("html-page-context", _break_names)
    app.connect("build-finished", _stop_sandbox)
