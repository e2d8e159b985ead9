"""Sets of rules, compiled to flat tables: a line finds its rules by a few look-ups, however many there are."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from switch._layout cimport *
from switch._tables cimport Tables

cdef enum:
    SHAPES_MAX = 64                  # ways to combine card type, level, item, category, department and brand
    LINE_HAS_ITEM = 1
    LINE_HAS_CATEGORY = 2
    LINE_HAS_DEPARTMENT = 4
    LINE_HAS_BRAND = 8


cdef struct rule_t:                  # 64 bytes: one cache line. What is not asked for holds always.
    uint64_t segments                # 0: any
    int64_t bill_minor_min
    int64_t unit_price_minor
    uint64_t rank                    # the higher one of two rules of a layer is the better one; above 0
    uint32_t store_id                # 0: any
    uint32_t terminal_id             # 0: any
    uint32_t from_date
    uint32_t until_date
    uint16_t from_minute
    uint16_t until_minute
    uint16_t settlements
    uint16_t booking_days
    uint16_t rate
    uint8_t weekdays
    uint8_t layer
    uint8_t action
    uint8_t points_category
    uint8_t asks                     # 0: nothing but its selector


cdef struct selector_t:              # what rules are looked up by, and the run of rules that have it
    uint64_t item                    # 0: any, as in every field
    uint64_t goods                   # category | department << 16 | brand << 32
    uint32_t holder                  # card type | level << 16
    uint32_t first_rule
    uint32_t rule_count              # 0: the place is free
    uint32_t layers                  # bit n: layer n is among them


cdef struct shape_t:                 # which of the fields some selectors have
    uint64_t item_mask
    uint64_t goods_mask
    uint32_t holder_mask
    uint32_t layers
    uint32_t line_fields             # LINE_HAS_* that a line needs; 0: holds for the bill as a whole


cdef struct ruleset_t:
    uint32_t ruleset                 # its number
    uint32_t from_date
    uint32_t rule_count
    uint32_t layers                  # bit n: the set has rules of layer n
    uint32_t bill_shapes             # of `shapes`, first those without any field of a line
    uint32_t shape_count
    uint32_t selector_shift          # hash >> shift: place of a selector
    uint32_t seen_shift              # hash >> shift: bit of `seen`
    uint64_t selector_mask
    uint64_t size_bytes
    selector_t* selectors
    uint64_t* seen                   # bit by hash: a selector may be there. Small enough to stay in the cache.
    rule_t* rules                    # runs of one selector each, in it by layer, the best first
    rule_t none                      # what counts in a layer where no rule matches: 100 percent, category 0, at once
    shape_t shapes[SHAPES_MAX]


cdef class Rules:
    """All active sets of one switch, compiled when they are activated or loaded."""
    cdef Tables tables
    cdef ruleset_t** sets            # ascending by from_date
    cdef uint32_t set_count
    cdef uint32_t set_max
    cdef uint32_t since_date         # the answer below holds from this date on
    cdef uint64_t until_date         # and before this one
    cdef ruleset_t* current          # NULL: no set was in force then

    # The set in force on a business date, or NULL.
    cdef const ruleset_t* in_force(self, uint32_t date) noexcept nogil

    # Check a draft set as a whole (section 16, activate rules): 0, or the first rule at fault.
    cdef uint32_t first_fault(self, uint32_t ruleset) noexcept nogil

    # Compile a set from its records and put it in force. -1: no memory, and nothing has changed.
    cdef int activate(self, uint32_t ruleset, uint32_t from_date) noexcept nogil

    cdef void _forget_answer(self) noexcept nogil
    cdef void _clear(self) noexcept nogil
    cdef int _add(self, ruleset_t* compiled) noexcept nogil


cdef inline uint64_t goods_of(uint16_t category, uint16_t department, uint16_t brand) noexcept nogil:
    return category | <uint64_t>department << 16 | <uint64_t>brand << 32


cdef inline uint32_t holder_of(uint16_t card_type, uint8_t level) noexcept nogil:
    return card_type | <uint32_t>level << 16


cdef inline uint64_t hash_of_selector(uint64_t item, uint64_t goods, uint64_t holder) noexcept nogil:
    # Multipliers are odd with bits all over (golden ratio, and primes of xxHash); the upper bits are the good ones.
    cdef uint64_t mixed = (item * <uint64_t>0x9E3779B97F4A7C15 ^ goods * <uint64_t>0xC2B2AE3D27D4EB4F
                           ^ holder * <uint64_t>0x165667B19E3779F9)
    return (mixed ^ mixed >> 32) * <uint64_t>0x9E3779B185EBCA87
