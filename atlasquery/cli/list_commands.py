"""The command for lists of the survey."""

from typing import Any

import click

from atlasquery.cli.command import Code, command
from atlasquery.cli.options import Output, Service, output_options, service_options, time
from atlasquery.cli.output import deliver

__all__ = ["list_"]


def _names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of lists that begin so, for the shell."""
    from atlasquery.atlas import AtlasClass

    names = AtlasClass().list_lists()["name"].tolist()
    return [name for name in names if name.startswith(incomplete)]


@command("list")
@click.argument("name", required=False, shell_complete=_names)
@click.option("--custom", is_flag=True, help="NAME is the number of a custom list.")
@click.option("--sherlock", metavar="CLASS", help="Only of this class: SN, NT, VS, CV, ...")
@click.option("--type", "spec_type", metavar="TYPE", help="Only of this type, such as 'SN Ia'.")
@click.option("--min-vra", type=float, help="Only of this rank of the VRA or higher.")
@click.option("--start", metavar="TIME", callback=time, help="Only put on the list since then.")
@service_options
@output_options
def list_(
    name: str | None,
    custom: bool,
    sherlock: str | None,
    spec_type: str | None,
    min_vra: float | None,
    start: float | str | None,
    service: Service,
    output: Output,
) -> Code:
    r"""Fetch a list; without NAME, all lists there are.

    \b
    Examples:
      atlasquery list
      atlasquery list good --sherlock SN --min-vra 5
      atlasquery list good --start 2026-11-01 -o good.ecsv
      atlasquery list eyeball | cut -f1,3,4
    """
    from atlasquery.atlas import AtlasClass

    atlas = service.client(AtlasClass)
    if name is None:
        return deliver(atlas.list_lists(), output)
    options: dict[str, Any] = {"sherlock_class": sherlock, "spec_type": spec_type, "start": start}
    if min_vra is not None:
        options["vra"] = (min_vra, None)
    if custom:
        options["custom"] = True
    return deliver(atlas.query_list(name.strip(), cache=service.cache, **options), output)
