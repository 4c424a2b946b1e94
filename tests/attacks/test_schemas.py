"""A few requests of each kind on each operation of both services; `python -m tests.attacks.schemas` tries more."""

import pytest

from tests.attacks import schemas

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


@pytest.mark.parametrize("service", [schemas.api, schemas.gateway])
def test_whatever_the_document_allows_or_forbids_is_answered_right_and_a_refusal_keeps_nothing(service, tmp_path):
    seen = service(tmp_path / "data", examples=3)
    assert seen[200]
    assert any(400 <= status < 500 for status in seen)
