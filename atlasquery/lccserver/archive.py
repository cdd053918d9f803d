"""The ZIP of the light curves of a dataset: what is in it, and that it is harmless."""

import os
import zipfile
import zlib
from collections.abc import Iterable

from atlasquery.exceptions import TableParseError

__all__ = ["LightCurveZip"]

#: "lczip-manifest.json, which is no light curve" (contract).
MANIFEST = "lczip-manifest.json"
ENDING = "-csvlc.gz"
# Bytes of a member, which is packed in itself.
LARGEST_MEMBER = 1 << 27
ENCRYPTED = 0x1


class LightCurveZip:
    """A ZIP of light curves, of which nothing is ever written to a path that it names.

    Parameters
    ----------
    source : path-like or file
        The ZIP.
    name : str
        What it is, for messages.

    Raises
    ------
    TableParseError
        If it is none.
    """

    def __init__(self, source: os.PathLike, *, name: str):
        self._name = name
        try:
            self._zip = zipfile.ZipFile(source)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
            raise TableParseError(f"{name} is no ZIP, or is damaged: {error}") from None
        self._members: dict[str, list[zipfile.ZipInfo]] = {}
        for info in self._zip.infolist():
            self._members.setdefault(info.filename, []).append(info)

    def __enter__(self) -> "LightCurveZip":
        return self

    def __exit__(self, *error) -> None:
        self._zip.close()

    def __len__(self) -> int:
        return sum(name.endswith(ENDING) for name in self._members)

    def unclaimed(self, claimed: Iterable[str]) -> list[str]:
        """Return the members that nobody has asked for.

        Parameters
        ----------
        claimed : iterable of str
            The names of those that somebody has.

        Returns
        -------
        list of str
            Names, without the manifest.
        """
        return sorted(set(self._members) - {*claimed, MANIFEST})

    def read(self, member: str) -> bytes:
        """Return one light curve, as it is packed.

        Parameters
        ----------
        member : str
            Its name.

        Returns
        -------
        bytes
            Whole: the checksum of the ZIP is that of what came.

        Raises
        ------
        TableParseError
            If it is not there, is there twice, is damaged, too large or encrypted.
        """
        found = self._members.get(member, [])
        if len(found) != 1:
            what = f"holds {len(found)} times" if found else "does not hold"
            raise TableParseError(f"{self._name} {what} {member}")
        info = found[0]
        if info.flag_bits & ENCRYPTED:
            raise TableParseError(f"{member} of {self._name} is encrypted")
        if info.file_size > LARGEST_MEMBER:
            raise TableParseError(
                f"{member} of {self._name} is of {info.file_size >> 20} MiB, more than "
                f"{LARGEST_MEMBER >> 20} MiB"
            )
        try:
            with self._zip.open(info) as file:
                # The size that the ZIP names may be another than that of what is in it.
                data = file.read(LARGEST_MEMBER + 1)
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError) as error:
            raise TableParseError(f"{member} of {self._name} is damaged: {error}") from None
        if len(data) != info.file_size:
            raise TableParseError(
                f"{member} of {self._name} should have {info.file_size} bytes, and has {len(data)}"
            )
        return data
