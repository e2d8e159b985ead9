"""Local time: a moment as the clock on the wall shows it in the journal's time zone."""

from libc.stdint cimport int32_t, int64_t


cdef struct zone_t:
    int64_t* starts_ms               # moments at which the zone's offset changes, ascending
    int32_t* offsets_s               # offset from UTC from then on
    int count                        # one at least
    int at                           # the last one used: dates seldom move far


cdef inline int64_t local_ms(zone_t* zone, int64_t now_ms) noexcept nogil:
    """Milliseconds since 1970-01-01 there."""
    cdef int at = zone.at, low, high, middle
    if now_ms < zone.starts_ms[at] or (at + 1 < zone.count and now_ms >= zone.starts_ms[at + 1]):
        low, high = 0, zone.count - 1
        while low < high:
            middle = (low + high + 1) // 2
            if zone.starts_ms[middle] <= now_ms:
                low = middle
            else:
                high = middle - 1
        zone.at = at = low
    return now_ms + <int64_t>zone.offsets_s[at] * 1000
