"""Display of collections of light curves, in a terminal and in a notebook."""

from collections.abc import Iterator, Mapping
from itertools import islice

from astropy.table import Table

from atlasquery.lightcurve.sparkline import sparkline
from atlasquery.tables.html import Markup, control_free, grid, plain_text

__all__ = ["LightCurveDisplay"]

# Only the first ones are shown, since each of these light curves has to be built.
SHOWN = 10
SHOWN_FAILURES = 5


class LightCurveDisplay(Mapping):
    """A mapping of ids to light curves, or to what has one, whose display shows the first of them.

    Its ``failures``, where it has any, are pairs (id, exception).
    """

    #: Title of its ids.
    id_title = "Object"

    def __str__(self) -> str:
        lines = [repr(self)[1:-1]]
        rows = [_summary(key, product) for key, product in self._first(SHOWN)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            # In a terminal there is room for a name and a count.
            cells = [f"{row[n]:<{widths[n]}}" for n in (0, 1, 3) if widths[n]]
            lines.append("  " + "  ".join(cells).rstrip())
        if len(self) > SHOWN:
            lines.append(f"  and {len(self) - SHOWN} more")
        failures = getattr(self, "failures", [])
        for key, error in failures[:SHOWN_FAILURES]:
            lines.append(f"  {key}  failed: {plain_text(str(error), longest=100)}")
        if len(failures) > SHOWN_FAILURES:
            lines.append(f"  and {len(failures) - SHOWN_FAILURES} more that failed")
        return "\n".join(map(control_free, lines))

    def _repr_html_(self) -> str:
        rows = []
        for key, product in self._first(SHOWN):
            picture = sparkline(_light_curve(product), width=200, height=34, labels=False)
            rows.append((*_summary(key, product), Markup(picture)))
        head = (self.id_title, "Name", "Position", "Detections", "Light curve")
        # Columns without a value are left out.
        shown = [n for n in range(len(head)) if n in (0, 3, 4) or any(row[n] for row in rows)]
        cells = [[row[n] for n in shown] for row in rows]
        parts: list[str] = [grid([head[n] for n in shown], cells, title=repr(self)[1:-1])]
        if len(self) > SHOWN:
            parts.append(f"<p>and {len(self) - SHOWN} more</p>")
        if failures := getattr(self, "failures", []):
            failed = [(str(i), plain_text(str(error))) for i, error in failures[:SHOWN_FAILURES]]
            parts.append(grid((self.id_title, "Reason"), failed, title=f"{len(failures)} failed"))
            if len(failures) > SHOWN_FAILURES:
                parts.append(f"<p>and {len(failures) - SHOWN_FAILURES} more</p>")
        return "".join(parts)

    def _first(self, count: int) -> Iterator[tuple]:
        """Return the first ids and their light curves."""
        return islice(self.items(), count)


def _summary(key: object, product: object) -> tuple[str, str, str, str]:
    """Return id, name, position and detections of an object or a light curve."""
    lc = _light_curve(product)
    coordinates = lc.meta.get("coordinates")
    position = coordinates.to_string("hmsdms", precision=1) if coordinates is not None else ""
    title = getattr(product, "_title", None)
    name = title() if title is not None else str(lc.meta.get("object", ""))
    name = "" if name == str(key) else plain_text(name)
    return str(key), name, position, f"{int(lc['detection'].sum())} of {len(lc)}"


def _light_curve(product: object) -> Table:
    return getattr(product, "light_curve", product)
