"""Sets of rules, compiled to flat tables: a line finds its rules by a few look-ups, however many there are.

A rule names a selector (card type or any, level or any, item, category,
department, brand or any of them) and asks for more besides (dates, store,
campaign ...).  A compiled set is an open-addressed table from selector to the
run of rules that share it, and the few shapes of selectors that occur in it:
a line is looked up once per shape.  A bit table in front of it answers most
look-ups that find nothing without leaving the processor's nearest caches.

Active sets never change and stay compiled, old ones too, for backfills.  One
rule costs 64 bytes and at most 132 more for a selector of its own; a set costs
2 KB besides.  Nothing is allocated but here, when a set is activated or loaded.
"""

from libc.stdint cimport INT64_MIN, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, qsort, realloc
from libc.string cimport memmove, memset

from switch._account cimport category_exists
from switch._layout cimport *
from switch._tables cimport Tables
from switch._wide cimport WideTable

cdef enum:
    MINUTES_PER_DAY = 1440
    PLACES_MIN = 64                  # of the table of selectors, so that its bit table has whole words
    SEEN_BITS_PER_PLACE = 8          # at most one place in two is taken: 16 bits or more per selector

    RANK_EXCLUDE = 62
    RANK_ANY = 61                    # every rule ranks above none
    RANK_SPECIFICITY = 48
    RANK_PRIORITY = 32
    RANK_RATE = 16

cdef uint64_t NO_DATE = <uint64_t>1 << 32        # later than every date


# ------------------------------------------------------------------------ one rule

cdef inline uint64_t goods_asked(const rule_record_t* record) noexcept nogil:
    return goods_of(record.category, record.department, record.brand)


cdef inline uint32_t holder_asked(const rule_record_t* record) noexcept nogil:
    return holder_of(record.card_type, record.level)


cdef uint64_t specificity(const rule_record_t* record) noexcept nogil:
    cdef bint names_period = (record.from_date or record.until_date or record.weekdays or record.from_minute
                              or record.until_minute)
    return ((64 if record.card_type else 0) + (32 if record.level else 0) + (16 if record.item else 0)
            + (8 if record.category else 0) + (4 if record.department else 0) + (2 if record.brand else 0)
            + (1 if names_period else 0))


cdef uint64_t rank_of(const rule_record_t* record) noexcept nogil:
    """Of two rules of a layer the one with the higher rank is the better one."""
    cdef bint by_specificity = record.layer == LAYER_POINTS_ITEM or record.layer == LAYER_POINTS_RECHARGE
    return (<uint64_t>(record.action == ACTION_EXCLUDE) << RANK_EXCLUDE | <uint64_t>1 << RANK_ANY
            | (specificity(record) if by_specificity else 0) << RANK_SPECIFICITY
            | <uint64_t>record.priority << RANK_PRIORITY | <uint64_t>record.rate << RANK_RATE
            | (RULE_NUMBER_MAX - record.rule))


cdef void compile_rule(const rule_record_t* record, rule_t* rule) noexcept nogil:
    rule.segments = record.segments
    rule.bill_minor_min = record.bill_minor_min if record.bill_minor_min else INT64_MIN
    rule.unit_price_minor = record.unit_price_minor
    rule.rank = rank_of(record)
    rule.store_id, rule.terminal_id = record.store_id, record.terminal_id
    rule.from_date = record.from_date
    rule.until_date = record.until_date if record.until_date else <uint32_t>0xFFFFFFFF
    rule.from_minute = record.from_minute
    rule.until_minute = record.until_minute if record.until_minute else MINUTES_PER_DAY
    rule.settlements = record.settlements if record.settlements else 0xFFFF
    rule.weekdays = record.weekdays if record.weekdays else 0xFF
    rule.rate = <uint16_t>record.rate
    rule.layer, rule.action = record.layer, record.action
    rule.points_category, rule.booking_days = record.points_category, record.booking_days
    rule.asks = (record.segments != 0 or record.bill_minor_min != 0 or record.store_id != 0 or record.terminal_id != 0
                 or record.from_date != 0 or record.until_date != 0 or record.from_minute != 0
                 or record.until_minute != 0 or record.settlements != 0 or record.weekdays != 0)


# ------------------------------------------------------------------------ order

cdef inline int order(uint64_t one, uint64_t other) noexcept nogil:
    return (one > other) - (one < other)


cdef int by_number(const void* left, const void* right) noexcept nogil:
    cdef const rule_record_t* one = (<const rule_record_t**>left)[0]
    cdef const rule_record_t* other = (<const rule_record_t**>right)[0]
    cdef int by_set = order(one.ruleset, other.ruleset)
    return by_set if by_set else order(one.rule, other.rule)


cdef inline int by_selector(const rule_record_t* one, const rule_record_t* other) noexcept nogil:
    cdef int found = order(one.item, other.item)
    if not found:
        found = order(goods_asked(one), goods_asked(other))
    return found if found else order(holder_asked(one), holder_asked(other))


cdef int by_selector_then_number(const void* left, const void* right) noexcept nogil:
    cdef int found = by_selector((<const rule_record_t**>left)[0], (<const rule_record_t**>right)[0])
    return found if found else by_number(left, right)


cdef int by_selector_then_best(const void* left, const void* right) noexcept nogil:
    cdef const rule_record_t* one = (<const rule_record_t**>left)[0]
    cdef const rule_record_t* other = (<const rule_record_t**>right)[0]
    cdef int found = by_selector(one, other)
    if not found:
        found = order(one.layer, other.layer)
    return found if found else order(rank_of(other), rank_of(one))


cdef const rule_record_t** records_of(WideTable table, uint64_t ruleset, uint32_t* count) noexcept nogil:
    """The records of a set's rules, of all sets for 0, in order of set and number; to be freed. NULL: no memory."""
    cdef const rule_record_t** records = <const rule_record_t**>malloc((table.count + <uint64_t>1) * sizeof(void*))
    cdef const rule_record_t* record
    cdef uint32_t i
    if records == NULL:
        return NULL
    for i in range(table.used):
        record = <const rule_record_t*>(table.places + <uint64_t>i * table.width_bytes)
        if record.state != GONE and (ruleset == 0 or record.ruleset == ruleset):
            records[count[0]] = record
            count[0] += 1
    qsort(<void*>records, count[0], sizeof(void*), by_number)
    return records


# ------------------------------------------------------------------------ one set

cdef shape_t shape_asked(const rule_record_t* record) noexcept nogil:
    cdef shape_t shape
    memset(&shape, 0, sizeof(shape_t))
    if record.item:
        shape.item_mask = ~<uint64_t>0
    shape.goods_mask = goods_of(
        0xFFFF if record.category else 0, 0xFFFF if record.department else 0, 0xFFFF if record.brand else 0)
    shape.holder_mask = holder_of(0xFFFF if record.card_type else 0, 0xFF if record.level else 0)
    shape.line_fields = ((LINE_HAS_ITEM if record.item else 0) | (LINE_HAS_CATEGORY if record.category else 0)
                         | (LINE_HAS_DEPARTMENT if record.department else 0) | (LINE_HAS_BRAND if record.brand else 0))
    return shape


cdef void add_shape(ruleset_t* compiled, const rule_record_t* record) noexcept nogil:
    """Remember that selectors of this shape occur. Selectors come in order: those for whole bills before all others."""
    cdef shape_t shape = shape_asked(record)
    cdef shape_t* known
    cdef uint32_t i
    for i in range(compiled.shape_count):
        known = &compiled.shapes[i]
        if known.line_fields == shape.line_fields and known.holder_mask == shape.holder_mask:
            known.layers |= <uint32_t>1 << record.layer
            return
    shape.layers = <uint32_t>1 << record.layer
    compiled.shapes[compiled.shape_count] = shape
    compiled.shape_count += 1
    compiled.bill_shapes += shape.line_fields == 0


cdef selector_t* add_selector(ruleset_t* compiled, const rule_record_t* record, uint32_t first_rule) noexcept nogil:
    cdef uint64_t hashed = hash_of_selector(record.item, goods_asked(record), holder_asked(record))
    cdef uint64_t bit = hashed >> compiled.seen_shift, place = hashed >> compiled.selector_shift
    compiled.seen[bit >> 6] |= <uint64_t>1 << (bit & 63)
    while compiled.selectors[place].rule_count:
        place = (place + 1) & compiled.selector_mask
    compiled.selectors[place].item = record.item
    compiled.selectors[place].goods = goods_asked(record)
    compiled.selectors[place].holder = holder_asked(record)
    compiled.selectors[place].first_rule = first_rule
    return &compiled.selectors[place]


cdef void discard(ruleset_t* compiled) noexcept nogil:
    if compiled != NULL:
        free(compiled.selectors)
        free(compiled.seen)
        free(compiled.rules)
        free(compiled)


cdef ruleset_t* compile_set(uint32_t ruleset, uint32_t from_date, const rule_record_t** records,
                            uint32_t count) noexcept nogil:
    """Compile the rules of a set, whose order is changed. NULL: no memory."""
    cdef ruleset_t* compiled = <ruleset_t*>calloc(1, sizeof(ruleset_t))
    cdef selector_t* selector = NULL
    cdef uint64_t places = PLACES_MIN
    cdef uint32_t selector_count = 0, place_bits = 6, i
    if compiled == NULL:
        return NULL
    qsort(<void*>records, count, sizeof(void*), by_selector_then_best)
    for i in range(count):
        selector_count += i == 0 or by_selector(records[i - 1], records[i]) != 0
    while places < 2 * <uint64_t>selector_count:
        places *= 2
        place_bits += 1
    compiled.ruleset, compiled.from_date, compiled.rule_count = ruleset, from_date, count
    compiled.selector_mask = places - 1
    compiled.selector_shift = 64 - place_bits
    compiled.seen_shift = compiled.selector_shift - 3            # SEEN_BITS_PER_PLACE
    compiled.selectors = <selector_t*>calloc(places, sizeof(selector_t))
    compiled.seen = <uint64_t*>calloc(places * SEEN_BITS_PER_PLACE // 64, sizeof(uint64_t))
    compiled.rules = <rule_t*>calloc(count + 1, sizeof(rule_t))
    compiled.size_bytes = (sizeof(ruleset_t) + places * sizeof(selector_t) + places * SEEN_BITS_PER_PLACE // 8
                           + (count + <uint64_t>1) * sizeof(rule_t))
    if compiled.selectors == NULL or compiled.seen == NULL or compiled.rules == NULL:
        discard(compiled)
        return NULL
    compiled.none.action, compiled.none.rate = ACTION_MULTIPLY, 100
    for i in range(count):
        if i == 0 or by_selector(records[i - 1], records[i]) != 0:
            selector = add_selector(compiled, records[i], i)
        compile_rule(records[i], &compiled.rules[i])
        selector.rule_count += 1
        selector.layers |= <uint32_t>1 << records[i].layer
        compiled.layers |= <uint32_t>1 << records[i].layer
        add_shape(compiled, records[i])
    return compiled


cdef bint is_sound(Tables tables, const rule_record_t* record) noexcept nogil:
    """Whether what a rule names exists, and its layer knows its action."""
    return ((record.card_type == 0 or tables.type_exists(record.card_type))
            and (record.store_id == 0 or tables.store(record.store_id) != NULL)
            and category_exists(tables, record.points_category)
            and (record.action != ACTION_REPLACE or record.layer == LAYER_DISCOUNT
                 or record.layer == LAYER_POINTS_ITEM))


# ------------------------------------------------------------------------ all sets

cdef class Rules:
    """All active sets of one switch; `len()` gives how many there are."""

    def __cinit__(self, Tables tables):
        self.tables = tables
        self._forget_answer()

    def __dealloc__(self):
        self._clear()
        free(self.sets)

    def __len__(self):
        return self.set_count

    @property
    def size_bytes(self):
        """Memory of all compiled sets."""
        return sum([self.sets[i].size_bytes for i in range(self.set_count)])

    def compile_all(self):
        """Compile every active set of the tables anew: after they were loaded and the journal's end was replayed."""
        cdef uint32_t count = 0, first = 0, end
        cdef const rule_record_t** records = records_of(self.tables.rules, 0, &count)
        cdef const ruleset_record_t* set_record
        cdef ruleset_t* compiled
        if records == NULL:
            raise MemoryError("rules: no memory for their order")
        self._clear()
        try:
            # Sets in ascending order, as their rules are; a set may have none.
            for number in sorted([int.from_bytes(record[8:16], "little") for record in self.tables.rulesets.records()]):
                while first < count and records[first].ruleset < <uint64_t>number:
                    first += 1
                end = first
                while end < count and records[end].ruleset == <uint64_t>number:
                    end += 1
                set_record = self.tables.ruleset(number)
                if set_record.state != RULESET_ACTIVE:
                    continue
                compiled = compile_set(number, set_record.from_date, records + first, end - first)
                if compiled == NULL or self._add(compiled) != 0:
                    discard(compiled)
                    raise MemoryError(f"rules: no memory for set {number}")
        finally:
            free(<void*>records)

    def check(self, uint32_t ruleset):
        """Number of the first rule of a set that is at fault; 0 when there is none."""
        return self.first_fault(ruleset)

    def put_in_force(self, uint32_t ruleset, uint32_t from_date):
        """Compile a set that the tables hold, and put it in force from a date on."""
        if self.activate(ruleset, from_date) != 0:
            raise MemoryError(f"rules: no memory for set {ruleset}")

    def number_on(self, uint32_t date):
        """Number of the set in force on a business date, or None."""
        cdef const ruleset_t* found = self.in_force(date)
        return None if found == NULL else found.ruleset

    cdef const ruleset_t* in_force(self, uint32_t date) noexcept nogil:
        """The active set with the latest first date that is not after this one; NULL when there is none."""
        cdef uint32_t i
        if self.since_date <= date < self.until_date:
            return self.current
        self.since_date, self.until_date, self.current = 0, NO_DATE, NULL
        for i in range(self.set_count):
            if self.sets[i].from_date > date:
                self.until_date = self.sets[i].from_date
                break
            self.since_date, self.current = self.sets[i].from_date, self.sets[i]
        return self.current

    cdef uint32_t first_fault(self, uint32_t ruleset) noexcept nogil:
        """Lowest number of a rule that names what does not exist, or has no place behind its selector; else 0.

        Rules of one selector have their places in the order of their numbers. Without memory to check: 0, as
        `activate` then fails.
        """
        cdef uint32_t count = 0, run = 0, i
        cdef uint64_t fault = 0
        cdef const rule_record_t** records = records_of(self.tables.rules, ruleset, &count)
        if records == NULL:
            return 0
        qsort(<void*>records, count, sizeof(void*), by_selector_then_number)
        for i in range(count):
            run = run + 1 if i and by_selector(records[i - 1], records[i]) == 0 else 1
            if (run > RULES_PER_SELECTOR_MAX or not is_sound(self.tables, records[i])) and (
                    fault == 0 or records[i].rule < fault):
                fault = records[i].rule
        free(<void*>records)
        return <uint32_t>fault

    cdef int activate(self, uint32_t ruleset, uint32_t from_date) noexcept nogil:
        """Compile a set and put it in force. -1: no memory, and nothing has changed."""
        cdef uint32_t count = 0
        cdef const rule_record_t** records = records_of(self.tables.rules, ruleset, &count)
        cdef ruleset_t* compiled = NULL
        if records != NULL:
            compiled = compile_set(ruleset, from_date, records, count)
            free(<void*>records)
        if compiled == NULL or self._add(compiled) != 0:
            discard(compiled)
            return -1
        return 0

    cdef int _add(self, ruleset_t* compiled) noexcept nogil:
        cdef ruleset_t** sets
        cdef uint32_t at = self.set_count
        if self.set_count == self.set_max:
            sets = <ruleset_t**>realloc(self.sets, (2 * <uint64_t>self.set_max + 8) * sizeof(void*))
            if sets == NULL:
                return -1
            self.sets, self.set_max = sets, 2 * self.set_max + 8
        while at and self.sets[at - 1].from_date > compiled.from_date:
            at -= 1
        memmove(self.sets + at + 1, self.sets + at, (self.set_count - at) * sizeof(void*))
        self.sets[at] = compiled
        self.set_count += 1
        self._forget_answer()
        return 0

    cdef void _forget_answer(self) noexcept nogil:
        self.since_date, self.until_date, self.current = 1, 0, NULL

    cdef void _clear(self) noexcept nogil:
        cdef uint32_t i
        for i in range(self.set_count):
            discard(self.sets[i])
        self.set_count = 0
        self._forget_answer()
