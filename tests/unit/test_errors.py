"""The error tree is drawn at the top of its module, and every interface can tell of every error."""

from __future__ import annotations

import re

from openshelf import errors
from openshelf.errors import OpenshelfError
from openshelf.interfaces.http.errors import status_of


def _tree(kind: type[OpenshelfError]) -> list[type[OpenshelfError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in _tree(child))]


def test_the_drawing_shows_the_tree() -> None:
    drawn = re.findall(r"^    [│├└─ ]*(\w+)", errors.__doc__ or "", flags=re.MULTILINE)
    ours = {kind.__name__ for kind in _tree(OpenshelfError) if kind.__module__ == errors.__name__}
    assert ours == set(drawn) & ours
    assert ours <= set(drawn)


def test_only_faults_of_the_hub_are_500() -> None:
    faults = {kind.__name__ for kind in _tree(OpenshelfError) if status_of(kind.__new__(kind)) == 500}
    assert faults == {"OpenshelfError", "StorageFault", "DamagedBytes", "ConfigurationError"}
