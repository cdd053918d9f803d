"""Image stamps of alerts: read from FITS files, labelled, and drawn."""

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning

from atlasquery.exceptions import TableParseError
from atlasquery.tables import read_by_library
from atlasquery.tables.decompression import LARGEST, open_fits

if TYPE_CHECKING:
    from astropy.visualization import ImageNormalize
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["KINDS", "brightness", "decode_images", "draw_stamps", "stamp_list"]

#: The kinds of stamps, in the order in which they are shown.
KINDS = ("science", "template", "difference")
# The HDUs after an image of LSST, if they have no names.
FURTHER_HDUS = ("VARIANCE", "PSF")
# Characters of the text of a card.
LONGEST_TEXT = 68


def decode_images(body: bytes, limit: int = LARGEST) -> list[fits.ImageHDU]:
    """Return the images of a stamp, which may be compressed: the first one and further ones.

    The first card may not be of the standard.

    Parameters
    ----------
    body : bytes
        The FITS file.
    limit : int, optional
        Bytes that it may have when it is unpacked, and each image when it is read.

    Returns
    -------
    list of `~astropy.io.fits.ImageHDU`
        In memory.

    Raises
    ------
    TableParseError
        If it has no image, or is damaged or too large.
    """
    what = "the FITS file"
    with (
        read_by_library(what),
        open_fits(body, limit=limit, what=what, ignore_missing_simple=True) as file,
    ):
        # HDUs of a file in memory, read before it is closed.
        found = [
            fits.ImageHDU(hdu.data, hdu.header, name=hdu.name or label)
            for hdu, label in zip(file, ("", *FURTHER_HDUS), strict=False)
            if getattr(hdu, "data", None) is not None
            and hdu.data.ndim == 2
            and hdu.data.dtype.kind in "fiu"
        ]
    if not found:
        raise TableParseError("no image in the FITS file")
    return found


def stamp_list(
    images: dict[str, list[fits.ImageHDU]], name: object, alert: object, *, further: bool
) -> fits.HDUList:
    """Return the stamps of an alert as a FITS file.

    Parameters
    ----------
    images : dict of list
        By kind what `decode_images` returned.
    name, alert : object
        The object and the alert, for the headers.
    further : bool
        Whether the other HDUs of each image follow.

    Returns
    -------
    `~astropy.io.fits.HDUList`
        ``SCIENCE`` and so on, then ``SCIENCE_VARIANCE`` and so on.
    """
    stamps, others = fits.HDUList(), []
    for kind, (image, *more_images) in images.items():
        hdu_class = fits.ImageHDU if stamps else fits.PrimaryHDU
        stamps.append(_labelled(hdu_class, image, kind.upper(), name, alert))
        others += [
            _labelled(fits.ImageHDU, one, f"{kind.upper()}_{one.name}", name, alert)
            for one in more_images
        ]
    stamps.extend(others if further else [])
    return stamps


def _labelled(
    hdu_class: type, image: fits.ImageHDU, label: str, name: object, alert: object
) -> fits.ImageHDU | fits.PrimaryHDU:
    """Return an image as a new HDU, with all cards of its header."""
    hdu = hdu_class(image.data, image.header.copy(strip=True))
    hdu.name = label
    hdu.header["OBJECT"] = _card_text(name), "object"
    hdu.header["CANDID"] = _card_text(alert), "alert"
    return hdu


def _card_text(value: object) -> str:
    """Return a value as the text of a card, which has printable ASCII characters only."""
    text = str(value).encode("ascii", "replace").decode()[:LONGEST_TEXT]
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def draw_stamps(stamps: fits.HDUList) -> "Figure":
    """Draw the stamps of an alert next to each other, in a notebook or outside of one.

    Parameters
    ----------
    stamps : `~astropy.io.fits.HDUList`
        What `stamp_list` returned, at least one image.

    Returns
    -------
    `~matplotlib.figure.Figure`
        Each image with a separate range of brightness (asinh), and the middle between two lines.
    """
    import matplotlib.pyplot as plt

    shown = [hdu for hdu in stamps if hdu.name.lower() in KINDS]
    figure, axes = plt.subplots(
        1, len(shown), figsize=(3.0 * len(shown), 3.5), layout="constrained", squeeze=False
    )
    for ax, hdu in zip(axes[0], shown, strict=True):
        ax.imshow(hdu.data, cmap="gray", norm=brightness(hdu.data), origin="lower")
        _mark_centre(ax, hdu.data.shape)
        ax.set_title(hdu.name.lower())
        ax.set_xticks([])
        ax.set_yticks([])
    header = stamps[0].header
    figure.suptitle(f"{header['OBJECT']}  alert {header['CANDID']}")
    return figure


def brightness(data: np.ndarray) -> "ImageNormalize | None":
    """Return a scale that shows the noise of the sky, without saturating bright sources.

    Parameters
    ----------
    data : `~numpy.ndarray`
        The image.

    Returns
    -------
    `~astropy.visualization.ImageNormalize` or None
        None if no pixel has a value.
    """
    from astropy.visualization import AsinhStretch, ImageNormalize

    known = data[np.isfinite(data)]
    if not known.size:
        return None
    sky, high = np.median(known), np.percentile(known, 99.9)
    noise = 1.4826 * np.median(np.abs(known - sky))
    low = sky - 3 * noise
    return ImageNormalize(vmin=low, vmax=max(high, low + 1e-6), stretch=AsinhStretch(0.15))


def _mark_centre(ax: "Axes", shape: tuple) -> None:
    """Draw two lines that point at the middle and leave it free."""
    y, x = (n / 2 - 0.5 for n in shape)
    near, far = 0.06 * shape[0], 0.16 * shape[0]
    style: dict[str, Any] = {"color": "#ff8c1a", "lw": 1.8}
    ax.plot([x + near, x + far], [y, y], **style)
    ax.plot([x, x], [y + near, y + far], **style)


def quiet_images(body: bytes, limit: int = LARGEST) -> list[fits.ImageHDU]:
    """Return the images of a stamp as `decode_images`, without warnings on its first card.

    Parameters
    ----------
    body : bytes
        The FITS file.
    limit : int, optional
        As for `decode_images`.

    Returns
    -------
    list of `~astropy.io.fits.ImageHDU`
        In memory.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VerifyWarning)
        return decode_images(body, limit)
