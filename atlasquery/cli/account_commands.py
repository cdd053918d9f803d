"""Commands for the account: login and quota."""

import json
import sys
from pathlib import Path

import click

from atlasquery.cli.command import Code, command
from atlasquery.cli.options import Service, UserPath, service_options

__all__ = ["login", "quota"]


@command()
@click.argument("username", required=False)
@click.option("--token", is_flag=True, help="Ask for a token instead of a password.")
@click.option("--store", is_flag=True, help="Store the login in the keyring of this machine.")
@click.option(
    "--config-file",
    type=UserPath(dir_okay=False),
    help="YAML file with the login.",
)
@service_options
def login(
    username: str | None, token: bool, store: bool, config_file: Path | None, service: Service
) -> None:
    r"""Test a login, and store it with --store.

    The password is prompted for and not shown; there is no option for it, since a
    command line can be read by others. Without a terminal a token is read from
    standard input.

    \b
    Examples:
      atlasquery login alice --store
      atlasquery login --token --store
      pass show atlas | atlasquery login --token --store
      atlasquery login --config-file atlas.yaml
    """
    from atlasquery.atlas import AtlasClass
    from atlasquery.service.credentials import person_present

    atlas = service.client(AtlasClass)
    if token and (username or config_file):
        raise click.UsageError("give --token, a user name or --config-file, one of them")
    if token:
        atlas.login(token=_ask("Token") if person_present() else _piped_token(), store=store)
        click.echo(f"The token will be checked by {atlas.server} with the next query.")
    elif config_file or not person_present():
        atlas.login(username, config_file=config_file, store=store)
        click.echo(f"Logged in to {atlas.server}.")
    else:
        username = username or click.prompt("User name", err=True)
        atlas.login(username, password=_ask(f"Password of {username}"), store=store)
        click.echo(f"Logged in to {atlas.server} as {username}.")
    if store:
        click.echo("It is stored in the keyring of this machine.")
    else:
        click.echo("It is not stored: --store stores it in the keyring of this machine.")


@command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@service_options
def quota(as_json: bool, service: Service) -> Code:
    r"""Show the requests left in this hour.

    This sends no request. The exit code is 4 if none is left.

    \b
    Examples:
      atlasquery quota
      atlasquery quota --json | jq .remaining
    """
    from atlasquery.atlas import AtlasClass

    now = service.client(AtlasClass).quota()
    if as_json:
        resets = None if now.resets_at is None else f"{now.resets_at.isot}Z"
        document = {"limit": now.limit or None, "used": now.used, "remaining": now.remaining}
        if not now.limit:
            document["remaining"] = None
        click.echo(json.dumps(document | {"resets_at": resets}))
    else:
        click.echo(str(now))
    return Code.QUOTA if now.limit and not now.remaining else Code.FOUND


def _ask(what: str) -> str:
    return click.prompt(what, hide_input=True, err=True)


def _piped_token() -> str:
    from atlasquery.exceptions import LoginError

    token = sys.stdin.readline().strip()
    if not token:
        raise LoginError(
            "There is no terminal to ask for the token, and none on standard input: pipe it, or "
            "set ATLASQUERY_ATLAS_TOKEN.",
            service="ATLAS",
        )
    return token
