"""The queries for analyses of sources: services, what they did, results and plots."""

import json
import warnings

import msgspec
import numpy as np
from astropy.table import Table

from atlasquery.exceptions import InvalidQueryError, NoResultsWarning, TableParseError
from atlasquery.skyportal.nested import decode_flat
from atlasquery.skyportal.pictures import Picture, decode_picture
from atlasquery.skyportal.references import ReferenceQueries, check_number_id
from atlasquery.skyportal.table_columns import ANALYSIS, ANALYSIS_SERVICE
from atlasquery.skyportal.words import check_source_id
from atlasquery.tables import Rows, build_table

__all__ = ["AnalysisQueries"]


class AnalysisQueries(ReferenceQueries):
    """The queries for analyses.

    What the server says of them is not stored: it may hold the credentials of a service.
    """

    def list_analysis_services(self) -> Table:
        """List the services that analyse sources.

        They are asked for each time and not stored: some servers send the credentials of the
        services along, which are not shown either.

        Returns
        -------
        `~astropy.table.Table`
            ``id``, ``name``, ``display_name``, ``description``, ``analysis_type``,
            ``input_data_types``, ``parameters`` (JSON), ``upload_only``, ``timeout``
            (s), ``url``, ``groups``, ``created_at`` (`~astropy.time.Time`) and more.

        Warns
        -----
        NoResultsWarning
            If there is none.

        References
        ----------
        The route ``GET /api/analysis_service``, https://skyportal.io/docs/api.html.

        Examples
        --------
        >>> from atlasquery import SkyPortal
        >>> SkyPortal.list_analysis_services()["name"][0]  # doctest: +SKIP
        'salt'
        """
        rows, when = self._fetch(
            "analysis_service",
            decode=lambda text: decode_flat(
                ANALYSIS_SERVICE, text, {"groups": "name", "input_data_types": ""}
            ),
            cache=False,
        )
        if not len(rows):
            warnings.warn("SkyPortal has no analysis services", NoResultsWarning, stacklevel=3)
        return build_table(rows, meta=self._meta(when, query="list_analysis_services"))

    def list_analyses(
        self,
        source_id: str | int | None = None,
        *,
        service: int | str | None = None,
        status: str | None = None,
    ) -> Table:
        """List analyses of sources.

        They are asked for each time and not stored: they change, and some servers send
        the key along with which a service delivers its results.

        Parameters
        ----------
        source_id : str or int, optional
            The name of a source; by default those of all are listed.
        service : int or str, optional
            An analysis service by name or number.
        status : str, optional
            ``"queued"``, ``"pending"``, ``"completed"``, ``"failure"`` or another
            word of the server.

        Returns
        -------
        `~astropy.table.Table`
            ``id``, ``source_id``, ``service``, ``service_id``, ``status``,
            ``status_message``, ``duration`` (s), ``parameters`` (JSON), ``created_at``
            (`~astropy.time.Time`) and more.

        Raises
        ------
        NotFoundError
            If there is no such source.

        Warns
        -----
        NoResultsWarning
            If there is none.

        References
        ----------
        The route ``GET /api/obj/analysis``, https://skyportal.io/docs/api.html.

        Examples
        --------
        >>> from atlasquery import SkyPortal
        >>> SkyPortal.list_analyses("ZTF24abcdefg")["status"][0]  # doctest: +SKIP
        'completed'
        """
        name = None if source_id is None else check_source_id(source_id)
        number = None if service is None else self._find_service(service)
        if status is not None and (not isinstance(status, str) or not status):
            raise InvalidQueryError(f"status={status!r:.50} should be a word, such as 'completed'")
        params = {"objID": name, "analysisServiceID": number}
        unknown = f"source {name}" if name else ""
        rows, when = self._fetch(
            "obj/analysis", params, decode=_decode_analyses, cache=False, unknown=unknown
        )
        # The server takes a part of a name for the name, and ignores what it does not know.
        for column, wanted in (("source_id", name), ("service_id", number), ("status", status)):
            if wanted is not None:
                rows = rows.take(rows.values[column] == wanted)
        if not len(rows):
            warnings.warn("SkyPortal has no such analyses", NoResultsWarning, stacklevel=3)
        asked = {"source_id": name, "service_id": number, "status": status}
        told = {key: value for key, value in asked.items() if value is not None}
        return build_table(rows, meta=self._meta(when, query="list_analyses", **told))

    def get_analysis(self, analysis_id: int) -> Table:
        """Fetch what the server says of an analysis; not stored, for it changes.

        Parameters
        ----------
        analysis_id : int
            The number of the analysis.

        Returns
        -------
        `~astropy.table.Table`
            One row, as of `list_analyses`, and ``n_plots``.

        Raises
        ------
        NotFoundError
            If there is no such analysis, or none that this account may see.

        References
        ----------
        The route ``GET /api/obj/analysis/{id}``, https://skyportal.io/docs/api.html.

        Examples
        --------
        >>> from atlasquery import SkyPortal
        >>> SkyPortal.get_analysis(1)["status"][0]  # doctest: +SKIP
        'completed'
        """
        number = check_number_id(analysis_id, name="analysis_id")
        rows, when = self._fetch(
            f"obj/analysis/{number}",
            decode=lambda text: _decode_analyses(b"[" + text + b"]"),
            cache=False,
            unknown=f"analysis {number}",
        )
        if rows.values["id"].tolist() != [number]:
            raise TableParseError(
                f"SkyPortal answered analysis {rows.values['id']} when asked for {number}",
                service=self.service,
            )
        return build_table(rows, meta=self._meta(when, query="get_analysis", analysis_id=number))

    def get_analysis_results(self, analysis_id: int, *, cache: bool | None = None) -> object:
        """Fetch the results of an analysis, as its service made them.

        Parameters
        ----------
        analysis_id : int
            The number of the analysis.
        cache : bool, optional
            Whether stored answers are used, for ``conf.object_seconds``.

        Returns
        -------
        object
            Of dict, list, str and numbers, as JSON has them.

        Raises
        ------
        NotFoundError
            If there is no such analysis, or it has no results.

        References
        ----------
        The route ``GET /api/obj/analysis/{id}/results/{n}``.

        Examples
        --------
        >>> from atlasquery import SkyPortal
        >>> SkyPortal.get_analysis_results(1)["t0"]  # doctest: +SKIP
        60310.2
        """
        number = check_number_id(analysis_id, name="analysis_id")
        return self._fetch(
            f"obj/analysis/{number}/results/0",
            decode=_decode_results,
            cache=cache,
            unknown=f"results of analysis {number}",
        )[0]

    def get_analysis_corner(self, analysis_id: int, *, cache: bool | None = None) -> Picture:
        """Fetch the corner plot of an analysis: its parameters against one another.

        Parameters
        ----------
        analysis_id : int
            The number of the analysis.
        cache : bool, optional
            Whether stored answers are used, for ``conf.object_seconds``.

        Returns
        -------
        Picture
            Which a notebook shows, and ``.save(path)`` writes.

        Raises
        ------
        NotFoundError
            If there is no such analysis, or it has no samples.

        References
        ----------
        The route ``GET /api/obj/analysis/{id}/corner/0``.

        Examples
        --------
        >>> from atlasquery import SkyPortal
        >>> SkyPortal.get_analysis_corner(1).kind  # doctest: +SKIP
        'png'
        """
        number = check_number_id(analysis_id, name="analysis_id")
        return self._picture(number, "corner", 0, f"the corner plot of analysis {number}", cache)

    def get_analysis_plots(self, analysis_id: int, *, cache: bool | None = None) -> list[Picture]:
        """Fetch the plots of an analysis.

        Parameters
        ----------
        analysis_id : int
            The number of the analysis.
        cache : bool, optional
            Whether stored plots are used, for ``conf.object_seconds``.

        Returns
        -------
        list of Picture
            Which a notebook shows, and ``.save(path)`` writes, in the server's order.

        Raises
        ------
        NotFoundError
            If there is no such analysis.

        Warns
        -----
        NoResultsWarning
            If it has none.

        References
        ----------
        The route ``GET /api/obj/analysis/{id}/plots/{n}``.

        Examples
        --------
        >>> from atlasquery import SkyPortal
        >>> [plot.kind for plot in SkyPortal.get_analysis_plots(1)]  # doctest: +SKIP
        ['png']
        """
        found = self.get_analysis(analysis_id)
        number, plots = int(found["id"][0]), found["n_plots"][0]
        if plots is np.ma.masked:
            raise TableParseError(
                f"SkyPortal does not say how many plots analysis {number} has",
                service=self.service,
            )
        if not plots:
            warnings.warn(f"Analysis {number} has no plots", NoResultsWarning, stacklevel=3)
        return [
            self._picture(number, "plots", n, f"plot {n} of analysis {number}", cache)
            for n in range(plots)
        ]

    def _picture(self, number: int, product: str, plot: int, name: str, cache) -> Picture:
        return self._fetch(
            f"obj/analysis/{number}/{product}/{plot}",
            decode=lambda body: decode_picture(body, name),
            cache=cache,
            unknown=name,
            file=True,
        )[0]


def _decode_analyses(text: bytes) -> Rows:
    return decode_flat(ANALYSIS, text, {"groups": "name"})


def _decode_results(text: bytes) -> object:
    """Decode results; some servers send their JSON as a text."""
    found = msgspec.json.decode(text)
    if isinstance(found, str):
        try:
            # It may have NaN, which JSON proper has not.
            found = json.loads(found)
        except ValueError:
            return found
    return found
