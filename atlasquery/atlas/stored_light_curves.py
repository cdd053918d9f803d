"""Light curves of downloaded objects, built from the files when they are accessed."""

import contextlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.timeseries import TimeSeries

from atlasquery.atlas.manifest import (
    MANIFEST,
    check_directory,
    is_begun,
    open_manifest,
    readable_errors,
    settings,
)
from atlasquery.atlas.parquet_files import read_rows
from atlasquery.atlas.photometry import (
    forced_light_curve,
    is_on_sky,
    light_curve,
    light_curve_meta,
)
from atlasquery.atlas.stored_columns import PRODUCTS, StoredColumns
from atlasquery.exceptions import InvalidQueryError, TableParseError
from atlasquery.lightcurve.stored import StoredCurves
from atlasquery.tables import Rows

__all__ = ["StoredLightCurves"]

# Number of files in memory: objects are mostly accessed in the order of the files.
FILES_IN_MEMORY = 2


class StoredLightCurves(StoredCurves):
    """Light curves by id of the objects in a directory.

    Returned by `AtlasClass.read_sources`. Each is built from the files when it is accessed, so that
    a directory may be larger than memory. An id may be given as an integer or as a string.

    Parameters
    ----------
    directory : path-like
        The directory.
    forced : bool, optional
        Whether they are of forced photometry.

    Raises
    ------
    InvalidQueryError
        If nothing was downloaded to the directory.
    """

    id_title = "ATLAS id"

    def __init__(self, directory: str | os.PathLike, *, forced: bool = False):
        super().__init__("TimeSeries", key=int)
        self._directory = check_directory(directory)
        self._forced = forced
        self._files: dict[int, dict[str, Rows]] = {}
        nothing = InvalidQueryError(
            f"directory={str(self._directory)!r} has nothing that was downloaded"
        )
        if not (self._directory / MANIFEST).is_file():
            raise nothing
        with (
            readable_errors(self._directory),
            contextlib.closing(open_manifest(self._directory)) as manifest,
        ):
            if not is_begun(manifest):
                raise nothing
            self._settings = settings(manifest)
            self._stored = set(manifest.execute("select chunk, kind from files"))
            query = "select atlas_id, chunk, at from objects order by chunk, atlas_id"
            self._products = {
                atlas_id: (chunk, at) for atlas_id, chunk, at in manifest.execute(query)
            }

    def __getitem__(self, object_id: int | str) -> TimeSeries:
        chunk, at = super().__getitem__(object_id)
        atlas_id = int(self._key(object_id))
        rows = {kind: _rows_of(part, atlas_id) for kind, part in self._read(chunk).items()}
        entry = rows.pop("objects")
        meta = self._meta(atlas_id, entry, at)
        # The rows are those of the window already.
        window = (None, None)
        if self._forced:
            return forced_light_curve(rows["forced"], window=window, meta=meta)
        return light_curve(
            rows["detections"],
            rows["non_detections"].without(("atlas_id",)),
            atlas_id=atlas_id,
            window=window,
            meta=meta,
        )

    @property
    def directory(self) -> Path:
        """The directory."""
        return self._directory

    @property
    def forced(self) -> bool:
        """Whether they are of forced photometry."""
        return self._forced

    def plain_columns(self) -> StoredColumns | None:
        """Return the light curves as plain columns, those of many objects at a time.

        Returns
        -------
        StoredColumns or None
            None if files have columns of other types than those of this version.
        """
        columns = StoredColumns(self._directory, forced=self._forced)
        return columns if columns.is_usual() else None

    def __repr__(self) -> str:
        what = "forced photometry" if self._forced else "light curves"
        return f"<StoredLightCurves of {len(self)} objects, {what} in {str(self._directory)!r}>"

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_files": {}}

    def _first(self, count: int) -> Iterator[tuple]:
        for atlas_id in list(self._products)[:count]:
            yield atlas_id, self[atlas_id]

    def _read(self, chunk: int) -> dict[str, Rows]:
        """Return the rows of a chunk of objects by kind."""
        if chunk not in self._files:
            while len(self._files) >= FILES_IN_MEMORY:
                self._files.pop(next(iter(self._files)))
            kinds = ("objects", *PRODUCTS[self._forced])
            self._files[chunk] = {kind: self._read_kind(chunk, kind) for kind in kinds}
        return self._files[chunk]

    def _read_kind(self, chunk: int, kind: str) -> Rows:
        stored = (chunk, kind) in self._stored
        path = self._directory / kind / f"{chunk:08d}.parquet"
        try:
            return read_rows(path if stored else None, kind)
        except FileNotFoundError:
            raise TableParseError(
                f"{path} is missing: call read_sources again, and if it is still "
                "missing then, download_sources, which fetches its objects again"
            ) from None

    def _meta(self, atlas_id: int, entry: Rows, at: float) -> dict:
        one = {name: values[0] for name, values in entry.values.items() if not entry.masks[name][0]}
        # A position that is not on the sky does not make the light curve unusable.
        known = {"ra", "dec"} <= one.keys() and is_on_sky(one["ra"], one["dec"])
        position = SkyCoord(one["ra"], one["dec"], unit="deg") if known else None
        return light_curve_meta(
            str(one.get("name") or atlas_id),
            atlas_id,
            position,
            (self._settings["start"], self._settings["end"]),
            {
                "service": "ATLAS Transient Server",
                "server": self._settings["server"],
                "obtained": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
        )


def _rows_of(rows: Rows, atlas_id: int) -> Rows:
    chosen = rows.take(np.flatnonzero(rows.values["atlas_id"] == atlas_id))
    for name, values in chosen.values.items():
        if values.dtype.kind == "U":
            # As wide as the longest string of this object, not of another one.
            width = int(np.strings.str_len(values).max(initial=1))
            chosen.values[name] = values.astype(f"U{width}")
    return chosen
