"""DuckDB's own Delta reader: the Python package and its extension, neither of which is the DuckDB that Inlet links."""

from __future__ import annotations

import pathlib

import duckdb
import duckdb_extension_delta


def connect() -> duckdb.DuckDBPyConnection:
    """A connection that knows delta_scan('/path/of/a/table')."""
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    directory = pathlib.Path(duckdb_extension_delta.__file__).parent / "extensions" / f"v{duckdb.__version__}"
    connection.execute(f"LOAD '{directory / 'delta.duckdb_extension'}'")
    return connection
