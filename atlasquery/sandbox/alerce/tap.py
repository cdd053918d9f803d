"""A TAP service that knows one query, and the errors of the real one."""

import re
from xml.sax.saxutils import escape

from ..http import Response
from .contents import Contents
from .searches import Params

__all__ = ["run_query"]

_VOTABLE = """<?xml version="1.0"?>
<VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results">
<INFO name="QUERY_STATUS" value="OK"/><TABLE>
<FIELD name="oid" datatype="char" arraysize="*"/>
<FIELD name="meanra" datatype="double" unit="deg"/><FIELD name="ndet" datatype="int"/>
<DATA><TABLEDATA>{rows}</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"""
_ERROR = """<?xml version="1.0"?>
<VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results">
<INFO name="QUERY_STATUS" value="ERROR"></INFO>
<INFO name="ERROR_DETAIL" value=""><DESCRIPTION>{message}</DESCRIPTION></INFO>
<INFO name="ERROR_CODE" value="{code}"></INFO></RESOURCE></VOTABLE>"""
_KNOWN = re.compile(r"SELECT oid, meanra, ndet FROM object LIMIT (\d+)")


def run_query(contents: Contents, path: str, form: Params) -> Response:
    """Run a query of the TAP service.

    Parameters
    ----------
    contents : Contents
        The objects.
    path : str
        The path below the address of the service.
    form : dict of str to list of str
        The fields of the form that was sent.

    Returns
    -------
    Response
        A VOTable, also with an error; its message is in a separate DESCRIPTION.
    """
    if path != "sync" or not form:
        # Neither capabilities, nor anything by GET.
        return Response(404, "404 page not found", "text/plain")
    if form.get("LANG") != ["PSQL"]:
        return _error(f"Invalid LANG {form.get('LANG', [''])[0]}", 400)
    query = form.get("QUERY", [""])[0].strip()
    found = _KNOWN.fullmatch(query)
    if not found:
        start = query.split(maxsplit=1)[0] if query else ""
        return _error(f'ERROR: syntax error at or near "{start}" (SQLSTATE 42601)', 500)
    entries = [contents.entry(oid) for oid in list(contents.ztf)[: int(found[1])]]
    rows = "".join(
        f"<TR><TD>{r['oid']}</TD><TD>{r['meanra']!r}</TD><TD>{r['ndet']}</TD></TR>" for r in entries
    )
    # As the server does, though it is not an encoding.
    headers = {"Content-Encoding": "UTF-8"}
    votable = _VOTABLE.format(rows=rows)
    return Response(200, votable, "application/x-votable+xml", headers)


def _error(message: str, code: int) -> Response:
    body = _ERROR.format(message=escape(message), code=code)
    return Response(code, body, "application/xml; charset=utf-8")
