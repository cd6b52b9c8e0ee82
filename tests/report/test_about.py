from __future__ import annotations

import re
from pathlib import Path

from lab.report import about

TEMPLATES = sorted(Path(about.__file__).parent.glob("*.html"))


def test_every_section_says_what_it_is_about():
    called = {name for path in TEMPLATES for name in re.findall(r"\{\{ about\(\"(\w+)\"\) \}\}", path.read_text())}
    headed = {name for path in TEMPLATES for name in re.findall(r"<section id=\"(\w+)\"", path.read_text())}
    assert headed == called
    assert called | {"embeddings", "beside"} == set(about.ABOUT)  # these two are headed by one macro
    assert "<p>How far the answer" in about.about("certainty")
    assert about.about("nothing") == ""
