"""Records of one kind in the order of their keys, from a key on, for consoles and tools.

Tables keep no order, so a listing looks at every record of its kind and keeps
the lowest keys that are wanted: some milliseconds for `RECORDS_LISTED_MAX` records.
Of a kind that has more, only single records are found, by their whole key.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc

from switch._arrays cimport NumberedTable, record_array_t
from switch._layout cimport (
    FIRST_WIDE_KEY_KIND, GONE, KIND_ACCOUNT, KIND_CARD, KIND_CARD_TYPE, RECORDS_LISTED_MAX, RECORD_BYTES_OF)
from switch._tables cimport Tables
from switch._wide cimport WideTable

cdef enum:
    STATE_AT = 2                     # offset of `state` in records with a wide key


cdef inline int compare(const uint64_t* left, const uint64_t* right, int words) noexcept nogil:
    """Order of two keys."""
    cdef int i
    for i in range(words):
        if left[i] != right[i]:
            return -1 if left[i] < right[i] else 1
    return 0


cdef inline const uint64_t* key_of(const uint8_t* record) noexcept nogil:
    return <const uint64_t*>(record + 8)


cdef void sink(const uint8_t** heap, uint32_t at, uint32_t count, int words) noexcept nogil:
    """Restore the order of a heap whose highest key is at the top, below one place."""
    cdef const uint8_t* record = heap[at]
    cdef uint32_t child
    while 2 * at + 1 < count:
        child = 2 * at + 1
        if child + 1 < count and compare(key_of(heap[child + 1]), key_of(heap[child]), words) > 0:
            child += 1
        if compare(key_of(heap[child]), key_of(record), words) <= 0:
            break
        heap[at] = heap[child]
        at = child
    heap[at] = record


cdef uint32_t lowest(const uint8_t* records, uint32_t count, uint32_t width_bytes, int words, const uint64_t* first,
                     const uint8_t** heap, uint32_t wanted) noexcept nogil:
    """The records with the lowest keys from `first` on, in order of key; how many they are."""
    cdef const uint8_t* record = records
    cdef const uint8_t* last
    cdef uint32_t kept = 0, i
    for _ in range(count):
        if (words == 1 or record[STATE_AT] != GONE) and compare(key_of(record), first, words) >= 0:
            if kept < wanted:
                heap[kept] = record
                kept += 1
                if kept == wanted:
                    for i in range(kept // 2, 0, -1):
                        sink(heap, i - 1, kept, words)
            elif compare(key_of(record), key_of(heap[0]), words) < 0:
                heap[0] = record
                sink(heap, 0, kept, words)
        record += width_bytes
    if kept < wanted:
        for i in range(kept // 2, 0, -1):
            sink(heap, i - 1, kept, words)
    for i in range(kept, 1, -1):
        last = heap[i - 1]
        heap[i - 1] = heap[0]
        heap[0] = last
        sink(heap, 0, i - 1, words)
    return kept


def list_records(Tables tables not None, uint8_t kind, key, uint32_t count_max):
    """At most `count_max` records of a kind from a key on: (records in order of key, whether there are more).

    `key` has three numbers, of which a kind with a narrow key reads the first. None for a kind with more than
    `RECORDS_LISTED_MAX` records; ask `Tables.get` for single ones.
    """
    cdef const uint8_t* records
    cdef uint32_t count, kept, wanted, width_bytes = RECORD_BYTES_OF[kind]
    cdef uint64_t[3] first
    cdef int words = 3 if kind >= FIRST_WIDE_KEY_KIND else 1
    cdef const uint8_t** heap
    cdef const record_array_t* array
    cdef NumberedTable numbered
    cdef WideTable wide
    first[0], first[1], first[2] = key
    if kind == KIND_ACCOUNT or kind == KIND_CARD or kind == KIND_CARD_TYPE:
        array = &tables.accounts if kind == KIND_ACCOUNT else &tables.cards
        if kind == KIND_CARD_TYPE:
            array = &tables.card_types.versions
        records, count = array.records, array.count
    elif tables.tables_by_kind[kind] == NULL:    # the switch's own record
        found = [record for record in tables.records(kind) if int.from_bytes(record[8:16], "little") >= first[0]]
        return found[:count_max], len(found) > count_max
    elif words == 3:
        wide = tables.wide(kind)
        records, count = wide.places, wide.used
    else:
        numbered = tables.numbered(kind)
        records, count = numbered.array.records, numbered.array.count
    if count > RECORDS_LISTED_MAX:
        return None
    wanted = min(count_max, count) + 1           # one more tells whether there are more
    heap = <const uint8_t**>malloc(wanted * sizeof(uint8_t*))
    if heap == NULL:
        raise MemoryError("records: no memory for a listing")
    try:
        with nogil:
            kept = lowest(records, count, width_bytes, words, first, heap, wanted)
        return [heap[i][:width_bytes] for i in range(min(kept, count_max))], kept > count_max
    finally:
        free(heap)
