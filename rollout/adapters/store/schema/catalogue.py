"""The one list of tables, and the type of integer keys."""

from sqlalchemy import BigInteger, Integer, MetaData

metadata = MetaData()
Key = BigInteger().with_variant(Integer, "sqlite")  # SQLite gives only INTEGER keys the rowid
