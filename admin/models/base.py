"""The metadata that all tables hang on."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

from admin.database import Moment

metadata = MetaData(
    naming_convention={  # migrations on SQLite need a name for everything
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Base(DeclarativeBase):
    """Base of the tables that belong to the service itself; those of the journal are in `mirror.py`."""

    metadata = metadata
    type_annotation_map = {datetime: Moment}  # noqa: RUF012  SQLAlchemy reads it from the class
