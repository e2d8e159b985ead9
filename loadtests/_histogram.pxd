# cython: language_level=3
"""Log-linear histogram of latencies: 128 steps per power of two: a bucket is at most 0.8 % of its value wide."""

from libc.stdint cimport uint64_t

cdef extern from *:
    """
    #define log2_floor(value) (63 - __builtin_clzll(value))
    """
    int log2_floor(uint64_t value) nogil

cdef enum:
    STEP_BITS = 7
    STEPS = 1 << STEP_BITS
    BUCKETS = (64 - STEP_BITS + 1) * STEPS   # every 64-bit value has its bucket: 59 KB of counters

cdef struct histogram_t:
    uint64_t count
    uint64_t max_ns
    uint64_t buckets[BUCKETS]


cdef inline void histogram_add(histogram_t *histogram, uint64_t value_ns) noexcept nogil:
    cdef int shift
    if value_ns < STEPS:
        histogram.buckets[value_ns] += 1
    else:
        shift = log2_floor(value_ns) - STEP_BITS
        histogram.buckets[shift * STEPS + <int>(value_ns >> shift)] += 1
    histogram.count += 1
    if value_ns > histogram.max_ns:
        histogram.max_ns = value_ns


cdef class Histogram:
    cdef histogram_t *counts
