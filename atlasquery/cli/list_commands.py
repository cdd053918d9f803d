"""Commands to read and change lists of the survey."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from atlasquery.cli.command import Code, command
from atlasquery.cli.ids import gather_ids, many_ids
from atlasquery.cli.options import Output, Service, output_options, service_options, time
from atlasquery.cli.output import deliver

__all__ = ["add", "list_", "move", "remove"]


def _names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of lists that begin so, for the shell."""
    from atlasquery.atlas import AtlasClass

    names = AtlasClass().list_lists()["name"].tolist()
    return [name for name in names if name.startswith(incomplete)]


@command("list")
@click.argument("name", required=False, shell_complete=_names)
@click.option("--custom", is_flag=True, help="NAME is the number of a custom list.")
@click.option(
    "--sherlock", metavar="CLASS", help="Only objects of this Sherlock class: SN, NT, VS, CV, ..."
)
@click.option(
    "--type", "spec_type", metavar="TYPE", help="Only objects of this type, such as 'SN Ia'."
)
@click.option(
    "--min-vra",
    type=float,
    help="Only objects with at least this rank by the Virtual Research Assistant.",
)
@click.option(
    "--start",
    metavar="TIME",
    callback=time,
    help="Only objects that were added to the list since then.",
)
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
    r"""Fetch a list; without NAME, the names of all lists.

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


def _write_options(function: Callable) -> Callable:
    """Add the options of all writes to lists to a command."""
    options = (
        many_ids,
        click.option("-l", "--list", "name", required=True, metavar="NAME", help="List name.",
                     shell_complete=_names),
        click.option("--dry-run", is_flag=True, help="Send nothing; show what would be sent."),
        service_options,
        output_options,
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


@command()
@_write_options
def add(ids: tuple[str, ...], source: Path | None, name: str, **rest: Any) -> Code:
    r"""Add objects to a custom list.

    An ID may be a name; finding it takes requests. Each object takes one more. The account
    needs write access.

    \b
    Examples:
      atlasquery add ATLAS26zy -l mookodi --dry-run
      atlasquery list good --min-vra 9 | atlasquery add --from - -l mookodi
    """
    return _write("add_to_list", ids, source, name, **rest)


@command()
@_write_options
def remove(ids: tuple[str, ...], source: Path | None, name: str, **rest: Any) -> Code:
    r"""Remove objects from a custom list.

    \b
    Example:
      atlasquery remove ATLAS26zy -l mookodi --dry-run
    """
    return _write("remove_from_list", ids, source, name, **rest)


@command()
@_write_options
def move(ids: tuple[str, ...], source: Path | None, name: str, **rest: Any) -> Code:
    r"""Move objects to another detection list.

    The list is possible, eyeball or galcand; the server allows no other. The account needs
    write access.

    \b
    Example:
      atlasquery move ATLAS26zy -l possible --dry-run
    """
    return _write("move_to_list", ids, source, name, **rest)


def _write(
    method: str,
    ids: tuple[str, ...],
    source: Path | None,
    name: str,
    *,
    dry_run: bool,
    service: Service,
    output: Output,
) -> Code:
    from atlasquery.atlas import AtlasClass

    if not ids and not source:
        raise click.UsageError("give ids or --from", click.get_current_context())
    atlas = service.client(AtlasClass)
    name = name.strip()
    # A list that does not exist is refused before names are looked up.
    getattr(atlas, method)([1161600211221604900], name, dry_run=True)
    found = gather_ids(atlas, ids, source, service.cache)
    table = getattr(atlas, method)(found, name, dry_run=dry_run, on_error="warn")
    code = deliver(table, output)
    if not dry_run and len(table) and not table["ok"].filled(False).all():
        return Code.INCOMPLETE
    return code
