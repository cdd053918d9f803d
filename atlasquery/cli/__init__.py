"""The ``atlasquery`` command: each family of commands is a module, thin over public methods."""

import sys

try:
    import click  # noqa: F401
except ImportError:
    sys.exit("The atlasquery command needs click: pip install 'atlasquery[cli]'")

from atlasquery.cli.account_commands import login, quota
from atlasquery.cli.alerce_commands import alerce
from atlasquery.cli.atlas_commands import cone, lightcurve, object_, plot
from atlasquery.cli.command import main
from atlasquery.cli.download_commands import download
from atlasquery.cli.find_commands import find, resolve
from atlasquery.cli.forced_commands import forced
from atlasquery.cli.hats_commands import hats
from atlasquery.cli.lcc_commands import lcc
from atlasquery.cli.list_commands import add, list_, move, remove
from atlasquery.cli.sandbox_commands import demo, sandbox
from atlasquery.cli.skyportal_commands import skyportal
from atlasquery.cli.within_commands import within

__all__ = ["main"]

for command in (
    add,
    alerce,
    cone,
    demo,
    download,
    find,
    forced,
    hats,
    lcc,
    lightcurve,
    list_,
    login,
    move,
    object_,
    plot,
    quota,
    remove,
    resolve,
    sandbox,
    skyportal,
    within,
):
    main.add_command(command)
