"""Alert packets of ZTF and LSST: light curve, object and stamps of a file or a message."""

import os
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Row
from astropy.time import Time
from astropy.timeseries import TimeSeries

from atlasquery.exceptions import InputWarning, InvalidQueryError, TableParseError
from atlasquery.lightcurve.alert_curves import (
    LATEST_MJD,
    lsst_light_curve,
    lsst_object,
    lsst_times,
    record_of,
    ztf_light_curve,
    ztf_object,
)
from atlasquery.lightcurve.alert_display import alert_html
from atlasquery.lightcurve.alert_files import DecodedPacket, PacketFile
from atlasquery.lightcurve.alert_schemas import load_fastavro
from atlasquery.lightcurve.schema import MJD_0
from atlasquery.lightcurve.stamps import KINDS, draw_stamps, quiet_images, stamp_list
from atlasquery.redaction import safe_text
from atlasquery.service.failures import check_on_error
from atlasquery.warn import warn

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Alert", "AlertReader", "read_alert", "read_alerts"]

#: Bytes of memory that a packet may take, whatever its bytes declare.
LARGEST_PACKET = 500_000_000
SURVEYS = {"ztf": "ZTF", "lsst": "LSST"}
# Packets of others, by what the name of their schema begins with: some have fields of the same
# names with another meaning.
OTHERS = {
    "elasticc": "the ELAsTiCC simulation of LSST",
    "atlas": "ATLAS",
    "winter": "WINTER",
    "wntr": "WINTER",
    "decam": "DECam",
    "decat": "DECam",
    "pgir": "Palomar Gattini-IR",
    "turbo": "TURBO",
}
# What a record of each survey has.
CANDIDATE = ("jd", "fid", "magpsf", "sigmapsf")
SOURCE = ({"midpointMjdTai", "midPointTai"}, {"psfFlux", "psFlux"})
VERSION = re.compile(r"(?:^|\.)v(\d+)_(\d+)(?:\.|$)")
Source = bytes | bytearray | memoryview | str | os.PathLike | BinaryIO


class Alert(Mapping):
    """An alert of ZTF or LSST, with the history of its object.

    Returned by `read_alert` and `read_alerts`. Each part is made when it is first accessed. It
    is also a mapping of the packet: ``alert["candidate"]`` is that record.

    Parameters
    ----------
    decoded : DecodedPacket
        The packet with the schema it was written with.

    Attributes
    ----------
    packet : dict
        The packet as it was decoded, with the names and units of the survey.
    survey : str
        ``"ztf"`` or ``"lsst"``.
    version : str
        The version of the survey's schema, such as ``"4.02"``; empty if it is not known.
    broker : str
        The broker that changed the packet, such as ``"Fink"``; empty if none is known.
    """

    def __init__(self, decoded: DecodedPacket):
        self.packet: dict = decoded.record
        self._schema = decoded.schema
        self._where = decoded.where
        self.survey = _survey_of(self.packet, decoded.schema.name, decoded.where)
        self.version = _version_of(self.packet, decoded.schema.name, self.survey)
        self.broker = _broker_of(self.packet)

    @property
    def _source(self) -> dict:
        """The record that the alert is of."""
        name = "candidate" if self.survey == "ztf" else "diaSource"
        return record_of(self.packet, name, self._where)

    @property
    def alert_id(self) -> int:
        """The number of the alert: ``candid`` of ZTF, ``diaSourceId`` of LSST."""
        if self.survey == "ztf":
            # Fink leaves out the first.
            return self._number(self.packet.get("candid"), self._source.get("candid"))
        numbers = (self.packet.get("diaSourceId"), self.packet.get("alertId"))
        return self._number(*numbers, self._source.get("diaSourceId"))

    def _number(self, *found: object) -> int:
        number = next((one for one in found if one is not None), None)
        if isinstance(number, bool) or not isinstance(number, int):
            raise TableParseError(f"{self._where} has no number of its alert: {number!r:.50}")
        return number

    @property
    def object_id(self) -> str | int | None:
        """The object: its name of ZTF, its number of LSST.

        A source of LSST that is an object of the solar system has the number of that. None if
        the packet names no object.
        """
        if self.survey == "ztf":
            name = self.packet.get("objectId")
            return None if name is None else str(name)
        record = self.packet.get("diaObject")
        of_object = record.get("diaObjectId") if isinstance(record, dict) else None
        numbers = (self._source.get("diaObjectId"), of_object, self._source.get("ssObjectId"))
        # 0 stands for none.
        return next((one for one in numbers if isinstance(one, int) and one > 0), None)

    @cached_property
    def coordinates(self) -> SkyCoord:
        """The position of the measurement that the alert is of, ICRS."""
        source = self._source
        return self._position(source.get("ra"), source.get("dec", source.get("decl")))

    def _position(self, ra: Any, dec: Any) -> SkyCoord:
        numbers = isinstance(ra, (int, float)) and isinstance(dec, (int, float))
        if numbers and -360 <= ra <= 360 and -90 <= dec <= 90:
            return SkyCoord(ra, dec, unit="deg")
        raise TableParseError(
            f"{self._where} has a position that is not on the sky: {ra!r:.30} {dec!r:.30}"
        )

    @cached_property
    def time(self) -> Time:
        """The time of the measurement: ZTF's start of the exposure (UTC), LSST's middle (TAI)."""
        if self.survey == "ztf":
            jd = self._source.get("jd")
            mjd, scale = (jd - MJD_0 if isinstance(jd, (int, float)) else np.nan), "utc"
        else:
            mjd, scale = lsst_times(self._source), "tai"
        if not abs(mjd) < LATEST_MJD:
            raise TableParseError(f"{self._where} has a time that is not a date: MJD {mjd!r}")
        return Time(mjd, format="mjd", scale=scale)

    @cached_property
    def light_curve(self) -> TimeSeries:
        """The measurements: this one, earlier ones, limits, forced photometry, sorted by time.

        The columns are those of all light curves, ``forced``, ``trigger`` (the measurement that
        the alert is of), and those of the survey by its names since the newest schema. ``flux``
        is that of the difference image, signed, in uJy. A row that LSST has withdrawn has
        `~atlasquery.lightcurve.Flag.WITHDRAWN` in ``flag``, so that it is neither averaged nor
        drawn as a good one. A detection and the forced photometry of the same exposure are two
        rows, since they are two measurements.
        """
        make = ztf_light_curve if self.survey == "ztf" else lsst_light_curve
        # Numbers that no flux has become infinite or NaN without a warning.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return make(self.packet, self._schema, self._meta(), self._where)

    def _meta(self) -> dict:
        meta: dict[str, Any] = {
            "service": "alert packet",
            "source": self._where,
            "alert_id": self.alert_id,
            "schema_version": self.version,
        }
        if self.broker:
            meta["broker"] = self.broker
        if self.object_id is not None:
            meta["object"] = str(self.object_id)
        record = self.packet.get("diaObject")
        ra, dec = None, None
        if isinstance(record, dict):
            ra, dec = record.get("ra"), record.get("dec", record.get("decl"))
        known = ra is not None and dec is not None and ra == ra and dec == dec
        meta["coordinates"] = self._position(ra, dec) if known else self.coordinates
        return meta

    @cached_property
    def object(self) -> Row:
        """What the packet has on the object, with units, and masked where it is not known.

        Of LSST the survey's record of it; of ZTF the history of its position, and the nearest
        sources in Pan-STARRS and Gaia.
        """
        make = ztf_object if self.survey == "ztf" else lsst_object
        return make(self.packet, self._schema, self._where)

    @cached_property
    def stamps(self) -> fits.HDUList:
        """The images ``SCIENCE``, ``TEMPLATE`` and ``DIFFERENCE``, those that the packet has.

        Those of LSST have what the survey says of their orientation in their headers; those of
        ZTF are of 63 x 63 pixels of 1.01 arcsec, or fewer at the edge of a detector.
        """
        return self.read_stamps()

    def read_stamps(self, *, include_variance_and_psf: bool = False) -> fits.HDUList:
        """Read the image stamps.

        Parameters
        ----------
        include_variance_and_psf : bool, optional
            Whether the other HDUs of each image are returned too, which LSST's have.

        Returns
        -------
        `~astropy.io.fits.HDUList`
            ``SCIENCE``, ``TEMPLATE``, ``DIFFERENCE``, those that the packet has, with the object
            and the alert in their headers; then ``SCIENCE_UNCERT``, ``SCIENCE_PSFIMAGE`` and so
            on, by the names that the survey gives them. Empty if it has none.

        Raises
        ------
        TableParseError
            If one is not an image in FITS, as those of ZTF's first packets, which are JPEG.
        """
        images = {}
        for kind in KINDS:
            stamp = self.packet.get(f"cutout{kind.title()}")
            stamp = stamp.get("stampData") if isinstance(stamp, dict) else stamp
            if not stamp:
                continue
            try:
                if not isinstance(stamp, bytes):
                    raise TableParseError(f"it is {type(stamp).__name__}, not bytes")
                images[kind] = quiet_images(stamp)
            except TableParseError as error:
                raise TableParseError(
                    f"{self._where}: the {kind} stamp could not be read: {error}"
                ) from error
        return stamp_list(images, self.object_id, self.alert_id, further=include_variance_and_psf)

    def plot(self, **options: Any) -> "Axes":
        """Plot the light curve.

        Parameters
        ----------
        **options
            Keyword arguments of `atlasquery.lightcurve.plot`.

        Returns
        -------
        `~matplotlib.axes.Axes`
            The axes drawn on, forced photometry with open markers.
        """
        from atlasquery.lightcurve.plot import plot

        lc = self.light_curve
        forced = np.asarray(lc["forced"])
        options.setdefault("title", self._title())
        return plot(lc[~forced], forced=lc[forced] if forced.any() else None, **options)

    def plot_stamps(self) -> "Figure":
        """Draw the image stamps.

        Returns
        -------
        `~matplotlib.figure.Figure`
            Each with a separate range of brightness. They are not rotated: stamps do not have the
            direction of north.

        Raises
        ------
        InvalidQueryError
            If the packet has none.
        """
        if not len(self.stamps):
            raise InvalidQueryError(f"{self._where} has no stamps")
        return draw_stamps(self.stamps)

    def _title(self) -> str:
        return f"{SURVEYS[self.survey]} {'' if self.object_id is None else self.object_id}".strip()

    # The packet as a mapping

    def __getitem__(self, name: str) -> Any:
        return self.packet[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.packet)

    def __len__(self) -> int:
        return len(self.packet)

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        version = f", schema {self.version}" if self.version else ""
        broker = f", from {self.broker}" if self.broker else ""
        try:
            number = f"alert {self.alert_id}"
        except TableParseError:
            number = "alert"
        return safe_text(f"<Alert {self._title()}, {number}{version}{broker}>")

    def _repr_html_(self) -> str:
        return alert_html(self)


def _survey_of(packet: Mapping, schema: str, where: str) -> str:
    """Return the survey of a packet, by its content: brokers change the name of the schema."""
    start = re.split(r"[._]", schema.lower())[0]
    for name, other in OTHERS.items():
        if start.startswith(name):
            raise TableParseError(
                f"{where} is a packet of {other} ({schema:.50}); those of ZTF and LSST can be read"
            )
    candidate, source = packet.get("candidate"), packet.get("diaSource")
    if isinstance(candidate, dict) and "objectId" in packet and {*CANDIDATE} <= candidate.keys():
        return "ztf"
    if isinstance(source, dict) and all(names & source.keys() for names in SOURCE):
        return "lsst"
    has = ", ".join(map(str, list(packet)[:8]))
    raise TableParseError(
        f"{where} is neither a packet of ZTF (objectId, candidate) nor of LSST (diaSource): its "
        f"schema is {schema or 'without a name'!r:.50}, its fields are {has:.200}"
    )


def _version_of(packet: Mapping, schema: str, survey: str) -> str:
    """Return the version of the survey's schema."""
    if survey == "ztf":
        return str(packet.get("schemavsn") or "")
    for name in (str(packet.get("lsst_schema_version") or ""), schema):
        if match := VERSION.search(name):
            return f"{match[1]}.{match[2]}"
    return ""


def _broker_of(packet: Mapping) -> str:
    if "fink_broker_version" in packet:
        return "Fink"
    publisher = str(packet.get("publisher") or "")
    return "" if publisher.startswith("ZTF") or len(publisher) > 40 else publisher


def read_alert(source: Source, *, schema: Any = None, max_bytes: int = LARGEST_PACKET) -> Alert:
    """Read an alert packet of ZTF or LSST.

    Parameters
    ----------
    source : bytes, path-like or file-like
        The packet: an Avro container, as ZTF and brokers store them; a message of a stream in the
        wire form of Confluent, as LSST sends them; or a bare record. gzip is unpacked.
    schema : path-like, dict or list, optional
        The Avro schema of a packet that comes without it: the path of an ``.avsc`` file, or
        of its folder, or its content. A container has its schema, which is used. That of a
        message of LSST is found by its number if ``lsst-alert-packet`` is installed.
    max_bytes : int, optional
        Bytes of memory that the packet may take; a larger one raises an error.

    Returns
    -------
    Alert
        With ``survey``, ``object_id``, ``alert_id``, ``coordinates``, ``time``,
        ``light_curve``, ``object``, ``stamps``, and ``packet``, which is the record as it was
        decoded.

    Raises
    ------
    InvalidQueryError
        If the file cannot be opened, the schema is missing or cannot be used, or there are
        several packets, for which there is `read_alerts`.
    TableParseError
        If it is damaged, is of another survey, or is not an alert packet.
    ImportError
        If fastavro is not installed, or for packets compressed with snappy cramjam: both come
        with ``atlasquery[avro]``.

    See Also
    --------
    read_alerts : Read any number of packets, one after the other.

    Notes
    -----
    Packets of ZTF since the schema 1.1 and of LSST since 3.0 are read, and those that Fink
    renames. The schema is that of the writer, whatever the version. Bytes that are left after
    a record are an error, since a record that is read with the schema of another version is
    often read without one, and wrong.

    Examples
    --------
    >>> from atlasquery import Alerce, read_alert
    >>> alert = read_alert(Alerce.get_avro("ZTF20aaaaaac"))
    >>> alert.survey, alert.object_id
    ('ztf', 'ZTF20aaaaaac')
    >>> alert.light_curve["flux"].unit
    Unit("uJy")
    """
    with read_alerts(source, schema=schema, max_bytes=max_bytes) as reader:
        alert = next(reader, None)
        if alert is None:
            raise TableParseError(f"{reader.name} has no packet")
        try:
            second = next(reader, None)
        except TableParseError as error:
            raise TableParseError(f"after the first packet: {error}") from error
        if second is not None:
            raise InvalidQueryError(
                f"source: {reader.name} has several packets: read them with read_alerts"
            )
        return alert


def read_alerts(
    source: Source,
    *,
    schema: Any = None,
    on_error: str = "raise",
    max_bytes: int = LARGEST_PACKET,
) -> "AlertReader":
    """Read alert packets of ZTF or LSST one after the other.

    Parameters
    ----------
    source : bytes, path-like or file-like
        The packets, as in `read_alert`. Several may be in a container, and several containers
        or messages of a stream in a file.
    schema : path-like, dict or list, optional
        The Avro schema of packets that come without it, as in `read_alert`.
    on_error : {"raise", "warn"}, optional
        What to do with a packet that is damaged: raise an error, after which the next packet can
        be requested, or continue with a warning, and keep the error in ``failures``.
    max_bytes : int, optional
        Bytes of memory that each packet may take.

    Returns
    -------
    AlertReader
        An iterator of `Alert`. One block of the file is in memory at a time.

    Raises
    ------
    InvalidQueryError
        If the file cannot be opened, or an argument is not what it should be. What is
        wrong with its content is raised by the iterator.

    Warns
    -----
    InputWarning
        If a packet is damaged, with ``on_error="warn"``.

    Examples
    --------
    >>> from atlasquery import Alerce, read_alerts
    >>> packets = b"".join(Alerce.get_avro(name) for name in ("ZTF20aaaaaac", "ZTF18aaaaaaa"))
    >>> for alert in read_alerts(packets):
    ...     print(alert.object_id, len(alert.light_curve) > 0)
    ZTF20aaaaaac True
    ZTF18aaaaaaa True
    """
    load_fastavro()
    check_on_error(on_error)
    if isinstance(max_bytes, bool) or not isinstance(max_bytes, int) or max_bytes < 1:
        raise InvalidQueryError(f"max_bytes={max_bytes!r:.50} should be a number of bytes, above 0")
    return AlertReader(PacketFile(source, schema, max_bytes), on_error)


class AlertReader(Iterator[Alert]):
    """The alerts of a file, one after the other.

    Returned by `read_alerts`; a context manager that closes the file.

    Parameters
    ----------
    file : PacketFile
        The file.
    on_error : {"raise", "warn"}
        What to do with a packet that is damaged.

    Attributes
    ----------
    name : str
        The file, for messages.
    failures : list of TableParseError
        The error of each packet that was damaged, so far.
    """

    def __init__(self, file: PacketFile, on_error: str):
        self.name = file.name
        self.failures: list[TableParseError] = []
        self._file, self._on_error = file, on_error
        self._packets = iter(file)

    def __next__(self) -> Alert:
        while True:
            found = next(self._packets)
            try:
                if isinstance(found, TableParseError):
                    raise found
                return Alert(found)
            except TableParseError as error:
                self.failures.append(error)
                if self._on_error == "raise":
                    raise
                warn(str(error), InputWarning)

    def close(self) -> None:
        """Close the file, if it was given by its path."""
        self._file.close()

    def __enter__(self) -> "AlertReader":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return safe_text(f"<AlertReader of {self.name}, {len(self.failures)} failures>")
