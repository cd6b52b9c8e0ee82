from __future__ import annotations

import pytest
from workshop import Workshop


@pytest.fixture
def workshop(home) -> Workshop:
    return Workshop(home)
