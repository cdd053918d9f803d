"""Commands to try things without an account: the sandbox, and a demonstration."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from atlasquery.cli.command import Code, Failure, command
from atlasquery.cli.options import UserPath

if TYPE_CHECKING:
    from atlasquery.atlas import AtlasSource
    from atlasquery.sandbox import Sandbox

__all__ = ["demo", "sandbox"]


@command()
@click.option(
    "--services",
    default="all",
    show_default=True,
    help="Services to run, separated by commas: atlas, forcedphot, alerce, lccserver, skyportal.",
)
@click.option("--port", default=0, show_default="a free one", help="Port of the ATLAS server.")
@click.option(
    "--path",
    type=UserPath(dir_okay=False),
    help="File for the data of the ATLAS server; by default they are kept in memory.",
)
@click.option("--full", is_flag=True, help="Nine years of ATLAS history: 0.8 MB for each object.")
@click.option(
    "--objects",
    type=int,
    show_default="501, the objects that all services have",
    help="Number of objects of the ATLAS server.",
)
@click.option(
    "--throttle", is_flag=True, help="Limit ATLAS to 100 requests an hour, as the survey does."
)
@click.option("--latency", default=0.0, help="Delay of each ATLAS response in seconds.")
def sandbox(
    services: str,
    port: int,
    path: Path | None,
    full: bool,
    objects: int | None,
    throttle: bool,
    latency: float,
) -> None:
    """Run test servers of all services, with one synthetic sky.

    Example: atlasquery sandbox --services atlas,alerce --port 8087
    """
    rate = "shipped" if throttle else None
    history = "full" if full else "season"
    box = _sandbox(
        services=_services(services),
        path=path,
        port=port,
        history=history,
        objects=objects,
        latency=latency,
        user_rate=rate,
        auth_rate=rate,
    )
    try:
        box.start()
    except ValueError as error:
        raise Failure(str(error), Code.MACHINE) from error
    with box:
        count = len(box.manifest["all_ids"] if "atlas" in box.services else box.sky)
        click.echo(f"Sandbox of {', '.join(box.services)} with {count} objects.")
        click.echo("To use it, in another terminal:\n")
        for name, value in box.environment().items():
            click.echo(f"  export {name}={value}")
        if "atlas" in box.services:
            click.echo("\nTo write to ATLAS too, in place of the token above:\n")
            click.echo(f"  export ATLASQUERY_ATLAS_TOKEN={box.writer_token}\n")
            click.echo("Accounts: " + ", ".join(f"{u.username}" for u in box.users.values()))
            click.echo("The password of each is its name and '-password'.")
        click.echo("Stop with Ctrl-C.")
        _wait_for_ctrl_c()
    click.echo("\nStopped.")


@command()
@click.option(
    "--directory",
    "-d",
    default="atlasquery-demo",
    show_default=True,
    type=UserPath(file_okay=False),
    help="Directory for the light curve and its plot.",
)
def demo(directory: Path) -> None:
    """Show what atlasquery does, on a sandbox.

    Example: atlasquery demo -d /tmp/demo
    """
    import astropy.units as u
    from astropy.coordinates import SkyCoord

    from atlasquery.atlas import AtlasClass

    with _sandbox() as box:
        click.echo(f"1. A sandbox of the ATLAS Transient Server runs at {box.url}\n")
        atlas = AtlasClass(server=box.url)
        atlas.login(token=box.token)
        centre = SkyCoord(150.0, 2.2, unit="deg")
        radius = 5 * u.arcmin
        found = atlas.query_region(centre, radius=radius, cache=False)
        click.echo(f"2. {len(found)} objects within {radius} of {centre.to_string('hmsdms')}:\n")
        click.echo("\n".join(found["atlas_id", "name", "ra", "dec", "separation"].pformat(-1, -1)))
        # The nearest with forced photometry, which not every object has.
        sources = atlas.get_sources(found["atlas_id"], progress=False)
        source = next(one for one in sources.values() if len(one.forced_photometry))
        click.echo(f"\n3. The nearest with forced photometry is\n   {source!r}")
        written = _write(source, directory)
        lc, forced = source.light_curve, source.forced_photometry
        n = int(lc["detection"].sum())
        click.echo(
            f"   {n} detections, {len(lc) - n} exposures without, {len(forced)} forced measurements"
        )
        click.echo("\n4. Written:\n" + "\n".join(f"   {path}" for path in written))


def _write(source: "AtlasSource", directory: Path) -> list[Path]:
    import matplotlib as mpl

    mpl.use("agg")
    directory.mkdir(parents=True, exist_ok=True)
    table = directory / f"{source.name}.ecsv"
    forced = directory / f"{source.name}_forced.ecsv"
    picture = directory / f"{source.name}.png"
    source.light_curve.write(table, overwrite=True)
    source.forced_photometry.write(forced, overwrite=True)
    cast("Any", source.plot().figure).savefig(picture, dpi=150)
    return [table, forced, picture]


def _services(names: str) -> tuple[str, ...]:
    """Return the services that are named, with commas between them."""
    try:
        from atlasquery.sandbox import SERVICES
    except ImportError as error:
        raise Failure(str(error), Code.MACHINE) from error
    chosen = SERVICES if names.strip() == "all" else tuple(n.strip() for n in names.split(","))
    for name in chosen:
        if name not in SERVICES:
            raise click.BadParameter(
                f"{name!r} is not 'all' and not one of {', '.join(SERVICES)}.",
                param_hint="'--services'",
            )
    return chosen


def _sandbox(**options: Any) -> "Sandbox":
    try:
        from atlasquery.sandbox import Sandbox
    except ImportError as error:
        raise Failure(str(error), Code.MACHINE) from error
    try:
        return Sandbox(**options)
    except (ValueError, OSError) as error:
        raise Failure(str(error), Code.MACHINE) from error


def _wait_for_ctrl_c() -> None:
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        pass
