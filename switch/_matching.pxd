"""Which rules of a compiled set match a bill and its lines: section 5 of docs/decision.md, matching."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from switch._layout cimport *
from switch._rules cimport (
    LINE_HAS_BRAND, LINE_HAS_CATEGORY, LINE_HAS_DEPARTMENT, LINE_HAS_ITEM, goods_of, hash_of_selector, rule_t,
    ruleset_t, selector_t, shape_t)

cdef enum:
    FORBID_BIT = 1 << LAYER_FORBID
    DISCOUNT_BIT = 1 << LAYER_DISCOUNT
    SALE_POINTS_BITS = (1 << LAYER_POINTS_ITEM | 1 << LAYER_POINTS_BRAND | 1 << LAYER_POINTS_PERIOD
                        | 1 << LAYER_POINTS_CAMPAIGN)
    RECHARGE_BIT = 1 << LAYER_POINTS_RECHARGE
    POINTS_LAYERS = 4                # a bill has ITEM to CAMPAIGN; RECHARGE never comes together with ITEM


cdef struct sale_t:                  # what rules ask of a bill as a whole
    uint64_t segments
    int64_t bill_minor
    uint32_t holder
    uint32_t store_id
    uint32_t terminal_id
    uint32_t date
    uint16_t minute
    uint16_t settlement_bit
    uint8_t weekday_bit


cdef struct found_t:                 # what the rules that match a line come to
    const rule_t* best[POINTS_LAYERS]            # points: the best rule of a layer, by `points_place`
    int64_t unit_price_minor         # discount: lowest fixed unit price; -1: none
    uint16_t discount_bp             # discount: highest rate
    uint8_t is_discount_excluded
    uint8_t is_forbidden


cdef inline uint32_t points_place(uint32_t layer) noexcept nogil:
    return (layer - LAYER_POINTS_ITEM) & (POINTS_LAYERS - 1)


cdef inline bint fits(const rule_t* rule, const sale_t* sale) noexcept nogil:
    """Whether what a rule asks for besides its selector holds."""
    if not rule.asks:
        return True
    return (rule.from_date <= sale.date <= rule.until_date and rule.weekdays & sale.weekday_bit != 0
            and rule.from_minute <= sale.minute < rule.until_minute
            and (rule.store_id == 0 or rule.store_id == sale.store_id)
            and (rule.terminal_id == 0 or rule.terminal_id == sale.terminal_id)
            and rule.settlements & sale.settlement_bit != 0
            and (rule.segments == 0 or rule.segments & sale.segments != 0)
            and rule.bill_minor_min <= sale.bill_minor)


cdef inline void take_run(const ruleset_t* rules, const selector_t* selector, const sale_t* sale, uint32_t wanted,
                          found_t* found) noexcept nogil:
    cdef const rule_t* rule = rules.rules + selector.first_rule
    cdef const rule_t* end = rule + selector.rule_count
    cdef const rule_t** best
    while rule != end:
        if wanted >> rule.layer & 1:
            if rule.layer >= LAYER_POINTS_ITEM:
                best = &found.best[points_place(rule.layer)]
                if rule.rank > best[0].rank and fits(rule, sale):
                    best[0] = rule
            elif fits(rule, sale):
                if rule.layer == LAYER_FORBID:
                    found.is_forbidden = 1
                elif rule.action == ACTION_EXCLUDE:
                    found.is_discount_excluded = 1
                elif rule.action == ACTION_MULTIPLY:
                    if rule.rate > found.discount_bp:
                        found.discount_bp = rule.rate
                elif found.unit_price_minor < 0 or rule.unit_price_minor < found.unit_price_minor:
                    found.unit_price_minor = rule.unit_price_minor
        rule += 1


cdef inline void look_up(const ruleset_t* rules, const shape_t* shape, uint64_t item, uint64_t goods,
                         const sale_t* sale, uint32_t wanted, found_t* found) noexcept nogil:
    """Take what the selector of one shape has for these goods."""
    cdef uint64_t of_item = item & shape.item_mask, of_goods = goods & shape.goods_mask
    cdef uint32_t of_holder = sale.holder & shape.holder_mask
    cdef uint64_t hashed = hash_of_selector(of_item, of_goods, of_holder), place = hashed >> rules.seen_shift
    cdef const selector_t* selector
    if not rules.seen[place >> 6] >> (place & 63) & 1:
        return
    place = hashed >> rules.selector_shift
    while True:
        selector = &rules.selectors[place]
        if selector.rule_count == 0:
            return
        if selector.item == of_item and selector.goods == of_goods and selector.holder == of_holder:
            break
        place = (place + 1) & rules.selector_mask
    if selector.layers & wanted:
        take_run(rules, selector, sale, wanted, found)


cdef inline void match_bill(const ruleset_t* rules, const sale_t* sale, uint32_t wanted, found_t* found) noexcept nogil:
    """What the rules come to that ask for nothing of a line: the start for every line."""
    cdef uint32_t i
    for i in range(<uint32_t>POINTS_LAYERS):
        found.best[i] = &rules.none
    found.unit_price_minor = -1
    found.discount_bp = 0
    found.is_discount_excluded = found.is_forbidden = 0
    for i in range(rules.bill_shapes):
        if rules.shapes[i].layers & wanted:
            look_up(rules, &rules.shapes[i], 0, 0, sale, wanted, found)


cdef inline void match_line(const ruleset_t* rules, const sale_t* sale, uint32_t wanted, const bill_line_t* line,
                            found_t* found) noexcept nogil:
    """Add what the rules come to that ask for something of this line."""
    cdef uint64_t item = line.item, goods = goods_of(line.category, line.department, line.brand)
    # A field that a line does not have is not asked for with success: 0 in a selector means any.
    cdef uint32_t missing = ((0 if item else LINE_HAS_ITEM) | (0 if line.category else LINE_HAS_CATEGORY)
                             | (0 if line.department else LINE_HAS_DEPARTMENT) | (0 if line.brand else LINE_HAS_BRAND))
    cdef const shape_t* shape = rules.shapes + rules.bill_shapes
    cdef const shape_t* end = rules.shapes + rules.shape_count
    while shape != end:
        if shape.layers & wanted and not shape.line_fields & missing:
            look_up(rules, shape, item, goods, sale, wanted, found)
        shape += 1
