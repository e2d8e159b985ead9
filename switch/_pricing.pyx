"""What a bill comes to and what the switch takes off: section 5 of docs/decision.md. One function for all.

Everything is exact.  Discounts are summed in ten-thousandths of a minor unit,
which 64 bits hold always, and rounded once; what rounding leaves over goes to
the lines with the largest remainders.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from switch._bill cimport sale_of
from switch._layout cimport *
from switch._matching cimport (
    DISCOUNT_BIT, FORBID_BIT, SALE_POINTS_BITS, found_t, match_bill, match_line, sale_t)
from switch._rules cimport ruleset_t
from switch._shares cimport claim, claimed_by, int128_t, largest, product, thousandth, wide
from switch._tables cimport Tables

cdef enum:
    LINES_MAX = LINE_COUNT_MAX + 1
    TEN_THOUSANDTHS = 10_000         # discount: basis points of a minor unit


# ------------------------------------------------------------------------ amounts

cdef inline bint has_begun(const price_record_t* price, uint32_t date) noexcept nogil:
    """Whether there is a price on a date; an article's first price may be one to come."""
    return price.unit_price_minor >= 0 or (price.next_from_date != 0 and price.next_from_date <= date)


cdef uint16_t unit_price(Tables tables, const bill_t* bill, uint64_t item, uint32_t* price_minor) noexcept nogil:
    """Price of one unit on the day: of the type's price class, else retail."""
    cdef const price_record_t* price = NULL
    if bill.card_type.price_class:
        price = <const price_record_t*>tables.prices.find(item, bill.card_type.price_class, 0)
    if price == NULL or not has_begun(price, bill.date):
        price = <const price_record_t*>tables.prices.find(item, 0, 0)
    if price == NULL or not has_begun(price, bill.date):
        return CODE_PRICE_UNKNOWN
    if price.next_from_date and price.next_from_date <= bill.date:
        price_minor[0] = <uint32_t>price.next_unit_price_minor
    else:
        price_minor[0] = <uint32_t>price.unit_price_minor
    return CODE_APPROVED


cdef uint16_t price_by_list(Tables tables, const bill_t* bill, priced_t* priced) noexcept nogil:
    cdef uint16_t code
    cdef uint32_t i
    if bill.line_count == 0:
        return CODE_AMOUNT
    for i in range(bill.line_count):
        if bill.lines[i].amount_minor != 0:
            return CODE_AMOUNT
    for i in range(bill.line_count):
        code = unit_price(tables, bill, bill.lines[i].item, &priced.lines[i].unit_price_minor)
        if code != CODE_APPROVED:
            return code
        # 32 bits by 31 bits: fits.
        priced.lines[i].amount_minor = <int64_t>thousandth(
            product(priced.lines[i].unit_price_minor, bill.lines[i].quantity_milli))
    return CODE_APPROVED


cdef inline bint within(int64_t amount_minor) noexcept nogil:
    return -AMOUNT_MINOR_MAX <= amount_minor <= AMOUNT_MINOR_MAX


cdef uint16_t price_lines(Tables tables, const bill_t* bill, bint discounts, priced_t* priced) noexcept nogil:
    cdef const card_type_record_t* card_type = bill.card_type
    cdef int64_t sum_minor = 0, absolute_minor = 0, amount_minor
    cdef uint32_t wanted = FORBID_BIT, i
    cdef uint16_t code
    cdef priced_line_t* line
    if not within(bill.amount_minor):
        return CODE_AMOUNT
    priced.line_count = bill.line_count if bill.line_count else 1
    priced.discount_minor = priced.points_hundredths = 0
    priced.is_forbidden = priced.is_matched = False
    if bill.is_priced:
        code = price_by_list(tables, bill, priced)
        if code != CODE_APPROVED:
            return code
    elif bill.line_count == 0:
        priced.lines[0].amount_minor = bill.amount_minor
    for i in range(priced.line_count):
        line = &priced.lines[i]
        if not bill.is_priced:
            line.unit_price_minor = 0
            if bill.line_count:
                line.amount_minor = bill.lines[i].amount_minor
        amount_minor = line.amount_minor
        if not within(amount_minor):
            return CODE_AMOUNT
        sum_minor += amount_minor
        absolute_minor += amount_minor if amount_minor > 0 else -amount_minor
        line.discount_minor = line.points_hundredths = 0
        line.booking_days = line.points_category = 0
    if absolute_minor > AMOUNT_MINOR_MAX:
        return CODE_AMOUNT
    priced.bill_minor = sum_minor if bill.is_priced else bill.amount_minor

    discounts = discounts and card_type.functions & FUNCTION_DISCOUNT != 0
    if discounts:
        wanted |= DISCOUNT_BIT
    if card_type.functions & FUNCTION_POINTS:
        wanted |= SALE_POINTS_BITS
    if bill.ruleset != NULL and bill.ruleset.layers & wanted:
        match_lines(bill, wanted & bill.ruleset.layers, priced)
    if discounts and (card_type.discount_bp or priced.is_matched):
        discount_lines(bill, priced)
    return CODE_APPROVED


# ------------------------------------------------------------------------ rules

cdef void match_lines(const bill_t* bill, uint32_t wanted, priced_t* priced) noexcept nogil:
    cdef const ruleset_t* rules = bill.ruleset
    cdef sale_t sale = sale_of(bill, priced.bill_minor)
    cdef found_t of_bill
    cdef priced_line_t* line
    cdef uint32_t wanted_here, i
    match_bill(rules, &sale, wanted, &of_bill)
    priced.is_matched = True
    for i in range(priced.line_count):
        line = &priced.lines[i]
        line.found = of_bill
        if bill.line_count and rules.shape_count > rules.bill_shapes:
            wanted_here = wanted
            if line.amount_minor <= 0:
                wanted_here &= ~<uint32_t>(FORBID_BIT | DISCOUNT_BIT)
            if bill.lines[i].flags & LINE_NO_POINTS:
                wanted_here &= ~<uint32_t>SALE_POINTS_BITS
            match_line(rules, &sale, wanted_here, &bill.lines[i], &line.found)
        if line.found.is_forbidden and line.amount_minor > 0 and not priced.is_forbidden:
            priced.is_forbidden, priced.forbidden_line = True, <uint16_t>i


# ------------------------------------------------------------------------ discount

cdef inline int64_t taken_off(const bill_t* bill, uint32_t i, const priced_line_t* line,
                              bint is_matched) noexcept nogil:
    """What comes off a line, in ten-thousandths of a minor unit."""
    cdef int64_t amount_minor = line.amount_minor, taken, fixed
    cdef uint32_t rate_bp = bill.card_type.discount_bp
    cdef int128_t price_minor
    if amount_minor <= 0 or (bill.line_count and bill.lines[i].flags & LINE_NO_DISCOUNT):
        return 0
    if not is_matched:
        return amount_minor * rate_bp
    if line.found.is_discount_excluded:
        return 0
    if line.found.discount_bp > rate_bp:
        rate_bp = line.found.discount_bp
    taken = amount_minor * rate_bp
    if line.found.unit_price_minor >= 0 and bill.line_count and bill.lines[i].quantity_milli > 0:
        price_minor = thousandth(product(line.found.unit_price_minor, bill.lines[i].quantity_milli))
        if price_minor < wide(amount_minor):
            fixed = (amount_minor - <int64_t>price_minor) * TEN_THOUSANDTHS
            if fixed > taken:
                taken = fixed
    return taken


cdef void discount_lines(const bill_t* bill, priced_t* priced) noexcept nogil:
    cdef uint64_t claims[LINES_MAX]
    cdef uint64_t* winners
    cdef int64_t total = 0, given = 0, taken
    cdef uint32_t left, i
    for i in range(priced.line_count):
        taken = taken_off(bill, i, &priced.lines[i], priced.is_matched)
        priced.lines[i].discount_minor = taken // TEN_THOUSANDTHS
        given += taken // TEN_THOUSANDTHS
        claims[i] = claim(<uint64_t>(taken % TEN_THOUSANDTHS), i)
        total += taken
    priced.discount_minor = given
    if bill.card_type.flags & CARD_TYPE_ROUND_DISCOUNT_LINES:
        return
    priced.discount_minor = total // TEN_THOUSANDTHS
    left = <uint32_t>(priced.discount_minor - given)
    if left:
        winners = largest(claims, priced.line_count, left)
        for i in range(left):
            priced.lines[claimed_by(winners[i])].discount_minor += 1


# ------------------------------------------------------------------------ what the reply says of it

cdef uint32_t write_line_results(const bill_t* bill, const priced_t* priced, uint8_t* out) noexcept nogil:
    cdef bint has_something = bill.is_priced
    cdef const priced_line_t* line
    cdef line_result_t result
    cdef uint32_t i
    if bill.line_count == 0:
        # Of a bill without lines the reply says all, unless its points went where nobody would look for them.
        line = &priced.lines[0]
        has_something = line.points_hundredths != 0 and (line.points_category != 0 or line.booking_days != 0)
    for i in range(bill.line_count):
        line = &priced.lines[i]
        has_something = has_something or line.points_hundredths != 0 or line.discount_minor != 0
    if not has_something:
        return 0
    for i in range(priced.line_count):
        line = &priced.lines[i]
        memset(&result, 0, sizeof(line_result_t))
        result.points_hundredths = line.points_hundredths
        result.discount_minor = line.discount_minor
        result.unit_price_minor = line.unit_price_minor
        if line.points_hundredths:               # no points: of no category
            result.points_category, result.booking_days = line.points_category, line.booking_days
        memcpy(out + <uint64_t>i * sizeof(line_result_t), &result, sizeof(line_result_t))
    return <uint32_t>(priced.line_count * sizeof(line_result_t))
