"""Schemas of Parquet files that pandas reads without a loss."""

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["with_pandas_types"]


def with_pandas_types(schema: "pa.Schema") -> "pa.Schema":
    """Return a schema that names the types in which pandas keeps each column exactly.

    Without it ``pandas.read_parquet`` makes floats of whole numbers where one is missing,
    which changes ids of 19 digits, and objects of booleans.

    Parameters
    ----------
    schema : `pyarrow.Schema`
        The columns, with whatever else is known of them.

    Returns
    -------
    `pyarrow.Schema`
        The same columns.
    """
    import pyarrow as pa

    columns = []
    for field in schema:
        kind = str(field.type)
        if pa.types.is_integer(field.type):
            dtype = kind.replace("uint", "UInt").replace("int", "Int") if field.nullable else kind
        elif pa.types.is_boolean(field.type):
            dtype = "boolean" if field.nullable else "bool"
        else:
            # pandas has one type for these, which it finds by itself.
            continue
        columns.append(
            {
                "name": field.name,
                "field_name": field.name,
                "pandas_type": kind,
                "numpy_type": dtype,
                "metadata": None,
            }
        )
    about = {"columns": columns, "index_columns": [], "column_indexes": []}
    return schema.with_metadata({**(schema.metadata or {}), b"pandas": json.dumps(about).encode()})
