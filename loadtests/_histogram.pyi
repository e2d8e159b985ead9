class Histogram:
    """Counts of latencies in nanoseconds; percentiles are rounded up by at most 0.8 %."""

    @property
    def count(self) -> int:
        """Number of values recorded."""
    @property
    def max_ns(self) -> int:
        """Largest value recorded, exact."""
    def record(self, value_ns: int) -> None:
        """Count one value."""
    def percentile_ns(self, permille: int) -> int:
        """Value that `permille` thousandths of all values do not exceed (500 is the median); 0 when empty."""
