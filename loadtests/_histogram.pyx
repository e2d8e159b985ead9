# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Python's side of the histogram: filled by the load generator without the GIL, read here."""

from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free


cdef inline uint64_t bucket_top(int bucket) noexcept nogil:
    """Largest value that falls into the bucket."""
    cdef int shift = bucket // STEPS - 1
    if shift <= 0:
        return bucket
    return (<uint64_t>(bucket - shift * STEPS + 1) << shift) - 1


cdef class Histogram:
    """Counts of latencies in nanoseconds; percentiles are rounded up by at most 0.8 %."""

    def __cinit__(self):
        self.counts = <histogram_t *>calloc(1, sizeof(histogram_t))
        if self.counts == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.counts)

    @property
    def count(self):
        """Number of values recorded."""
        return self.counts.count

    @property
    def max_ns(self):
        """Largest value recorded, exact."""
        return self.counts.max_ns

    def record(self, uint64_t value_ns):
        """Count one value."""
        histogram_add(self.counts, value_ns)

    def percentile_ns(self, int permille):
        """Value that `permille` thousandths of all values do not exceed (500 is the median); 0 when empty."""
        cdef uint64_t wanted = (self.counts.count * <uint64_t>permille + 999) // 1000
        cdef uint64_t seen = 0
        cdef int bucket
        if self.counts.count == 0:
            return 0
        for bucket in range(BUCKETS):
            seen += self.counts.buckets[bucket]
            if seen >= wanted and seen > 0:
                return min(bucket_top(bucket), self.counts.max_ns)
        return self.counts.max_ns
