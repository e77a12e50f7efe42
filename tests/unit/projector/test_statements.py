"""Every column of a row has a type where the row is written."""

import pytest

from services.projector.statements import TYPES


@pytest.mark.parametrize("row", TYPES, ids=lambda row: row.__name__)
def test_a_row_has_as_many_types_as_columns(row: type) -> None:
    assert len(TYPES[row].split()) == len(row._fields)  # type: ignore[attr-defined]
