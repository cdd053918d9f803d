"""The searches of the double of an LCC-Server."""

SEARCHES = ("/api/conesearch", "/api/ftsquery", "/api/columnsearch", "/api/xmatch")
