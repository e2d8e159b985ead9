"""Marks tests with the features they prove, and counts at the end what a run has proved.

`@pytest.mark.feature("HD-046", "EF-031")` says that the test would fail without these features. The ids are those of
docs/features.csv; an unknown one stops the run. A feature counts as proved when at least one of its tests passed and
none failed.
"""

import csv
from collections import Counter
from pathlib import Path

import pytest

FEATURES_CSV = Path(__file__).parents[2] / "docs" / "features.csv"


def read_capabilities() -> dict[str, str]:
    """The capability (C1, C2, …) of each feature id."""
    with FEATURES_CSV.open(encoding="utf-8", newline="") as file:
        return {row["id"]: row["capability"] for row in csv.DictReader(file)}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "feature(*ids): the features of docs/features.csv that this test proves")
    config.pluginmanager.register(FeatureCoverage(read_capabilities()), "feature-coverage")


class FeatureCoverage:
    """Follows one run."""

    def __init__(self, capabilities: dict[str, str]) -> None:
        self.capabilities = capabilities
        self.passed: set[str] = set()
        self.failed: set[str] = set()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            ids = {id_ for marker in item.iter_markers("feature") for id_ in marker.args}
            if unknown := sorted(ids - self.capabilities.keys(), key=str):
                raise pytest.UsageError(f"{item.nodeid}: no such feature in docs/features.csv: {unknown}")
            item.user_properties += [("feature", id_) for id_ in sorted(ids)]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        ids = {str(value) for name, value in report.user_properties if name == "feature"}
        if report.failed:
            self.failed |= ids
        elif report.passed and report.when == "call":
            self.passed |= ids

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        all_features = Counter(self.capabilities.values())
        proved = Counter(self.capabilities[id_] for id_ in self.passed - self.failed)
        names = sorted(all_features, key=lambda name: int(name.removeprefix("C")))
        parts = [f"{name} {proved[name]}/{all_features[name]}" for name in names]
        terminalreporter.write_line(
            f"features proved: {'  '.join(parts)}  total {proved.total()}/{all_features.total()}"
        )
