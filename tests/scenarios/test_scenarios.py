from pathlib import Path

import pytest

from .stage import Stage
from .table import read

SCENARIOS = [
    pytest.param(
        scenario,
        id=f"{path.stem}: {scenario.sentence}",
        marks=[pytest.mark.feature(*scenario.features)] if scenario.features else [],
    )
    for path in sorted(Path(__file__).parent.glob("*.txt"))
    for scenario in read(path)
]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_table_is_followed(scenario, decider):
    stage = Stage(scenario, decider)

    stage.play()
