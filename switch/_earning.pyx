"""What a bill or a recharge earns: section 5 of docs/decision.md, points and caps.

Everything is exact: points are summed in 10^-12 of a point and rounded once;
what rounding leaves over goes to the lines with the largest remainders.  In
all but absurd cases 64 bits are enough, counted in 10^-6; if not, all is
computed again with 128 bits.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from switch._account cimport category_enabled, points_in, points_pending
from switch._bill cimport priced_line_t, sale_of
from switch._layout cimport *
from switch._matching cimport RECHARGE_BIT, found_t, match_bill, points_place, sale_t
from switch._rules cimport rule_t
from switch._shares cimport (
    add, bounded, claim, claimed_by, floor_divide, floor_divide_64, int128_t, largest, multiply, product,
    product_of_three, wide)
from switch._tables cimport Tables

cdef enum:
    LINES_MAX = LINE_COUNT_MAX + 1
    NARROW_UNIT = 1_000_000          # points in 64 bits are counted in 10^-6 instead of 10^-12
    NARROW_POINT = 1_000_000
    NARROW_HUNDREDTH = 10_000
    HUNDREDTHS = 100

cdef int64_t RATE_ONE = 100_000_000              # no rule matches: four times 100 percent
cdef int64_t WIDE_POINT = 1_000_000_000_000
cdef int64_t WIDE_HUNDREDTH = 10_000_000_000
# Lines beyond 10^16 points count as 10^16 points: 10^18 hundredths, a thousand times what a bill may earn.
cdef int64_t LINE_POINTS_MAX = 10_000_000_000_000_000


# ------------------------------------------------------------------------ points

cdef void share_out(const priced_t* priced, int64_t shared_minor, int64_t* shares) noexcept nogil:
    """What was rounded off and paid with points earns nothing: every line's share of it."""
    cdef uint64_t claims[LINES_MAX]
    cdef uint64_t* winners
    cdef int64_t weight_sum = 0, given = 0, remainder, multiplied
    cdef uint32_t left, i
    for i in range(priced.line_count):
        shares[i] = priced.lines[i].amount_minor - priced.lines[i].discount_minor
        if shares[i] < 0:
            shares[i] = 0
        weight_sum += shares[i]
    if weight_sum == 0:
        return
    for i in range(priced.line_count):
        if multiply(shared_minor, shares[i], &multiplied):
            shares[i] = floor_divide_64(multiplied, weight_sum, &remainder)
        else:
            shares[i] = floor_divide(product(shared_minor, shares[i]), weight_sum, &remainder)
        given += shares[i]
        claims[i] = claim(<uint64_t>remainder, i)
    left = <uint32_t>(shared_minor - given)
    if left:
        winners = largest(claims, priced.line_count, left)
        for i in range(left):
            shares[claimed_by(winners[i])] += 1


cdef inline int64_t rate_of(const found_t* found, const card_type_record_t* card_type, int64_t* unit) noexcept nogil:
    """What base · unit is multiplied with to be in 10^-12 of a point: 10^8 where no rule matches. 0: nothing earned."""
    cdef const rule_t* item = found.best[points_place(LAYER_POINTS_ITEM)]
    cdef const rule_t* brand = found.best[points_place(LAYER_POINTS_BRAND)]
    cdef const rule_t* period = found.best[points_place(LAYER_POINTS_PERIOD)]
    cdef const rule_t* campaign = found.best[points_place(LAYER_POINTS_CAMPAIGN)]
    cdef int64_t rate
    if (item.action == ACTION_EXCLUDE or brand.action == ACTION_EXCLUDE or period.action == ACTION_EXCLUDE
            or campaign.action == ACTION_EXCLUDE):
        return 0
    if item.action == ACTION_REPLACE:
        unit[0] = <int64_t>item.rate * card_type.points_per_unit
        return RATE_ONE
    if not card_type.flags & CARD_TYPE_STACK_MAX:
        return <int64_t>item.rate * brand.rate * (<int64_t>period.rate * campaign.rate)
    if item.rate == 0 or brand.rate == 0 or period.rate == 0 or campaign.rate == 0:
        return 0
    rate = item.rate if item.rate > brand.rate else brand.rate
    if period.rate > rate:
        rate = period.rate
    if campaign.rate > rate:
        rate = campaign.rate
    return rate * (RATE_ONE // HUNDREDTHS)


cdef inline bint is_earned(Tables tables, uint32_t category) noexcept nogil:
    """Whether points of a category are given now; that of most bills is 0, without a record."""
    return category == 0 and tables.points_categories.array.count == 0 or category_enabled(tables, category)


cdef void earn_points(Tables tables, const bill_t* bill, int64_t shared_minor, int64_t day_points,
                      const account_record_t* account, priced_t* priced) noexcept nogil:
    cdef int64_t bases[LINES_MAX]
    cdef int64_t units[LINES_MAX]
    cdef int64_t rates[LINES_MAX]                # first the shares, in the same place
    cdef const card_type_record_t* card_type = bill.card_type
    cdef int64_t unit_of_type = <int64_t>card_type.points_percent * card_type.points_per_unit, base
    cdef bint nets = card_type.flags & CARD_TYPE_NET_LINES and not card_type.flags & CARD_TYPE_ROUND_LINES
    cdef bint is_after_discount = card_type.flags & CARD_TYPE_AFTER_DISCOUNT != 0
    cdef bint has_shares = shared_minor > 0, is_narrow = True, is_enabled
    cdef uint32_t known_category = 0, i
    cdef const rule_t* item
    cdef priced_line_t* line
    if not card_type.functions & FUNCTION_POINTS:
        return
    if has_shares:
        share_out(priced, shared_minor, rates)
    is_enabled = is_earned(tables, 0)
    for i in range(priced.line_count):
        line = &priced.lines[i]
        base = line.amount_minor
        if is_after_discount:
            base -= line.discount_minor
        if has_shares:
            base -= rates[i]
        bases[i] = base if base > 0 or nets else 0
        units[i] = unit_of_type
        rates[i] = RATE_ONE
        if bill.line_count and bill.lines[i].flags & LINE_NO_POINTS:
            rates[i] = 0
        elif priced.is_matched:
            rates[i] = rate_of(&line.found, card_type, &units[i])
            item = line.found.best[points_place(LAYER_POINTS_ITEM)]
            line.points_category, line.booking_days = item.points_category, item.booking_days
        if line.points_category != known_category:
            known_category = line.points_category
            is_enabled = is_earned(tables, known_category)
        if not is_enabled:
            rates[i] = 0
        is_narrow = is_narrow and (rates[i] == RATE_ONE or rates[i] % NARROW_UNIT == 0)
    if not is_narrow or not round_narrow(card_type.flags, bases, units, rates, priced):
        round_wide(card_type.flags, bases, units, rates, priced)
    cap_points(tables, card_type, day_points, account, priced)


cdef bint round_narrow(uint32_t flags, const int64_t* bases, const int64_t* units, const int64_t* rates,
                       priced_t* priced) noexcept nogil:
    """Points of each line, rounded. False: 64 bits are not enough."""
    cdef uint64_t claims[LINES_MAX]
    cdef int64_t exact[LINES_MAX]
    cdef bint is_fine = flags & CARD_TYPE_FINE_POINTS != 0, rounds_lines = flags & CARD_TYPE_ROUND_LINES != 0
    cdef int64_t total = 0, left, remainder = 0, size = 1 if is_fine else HUNDREDTHS
    cdef uint64_t* winners
    cdef uint32_t count = priced.line_count, i
    for i in range(count):
        # The rate of one unit is 10^8 · 10^6 at most.
        if not multiply(bases[i], units[i] * (rates[i] // NARROW_UNIT), &exact[i]) or not add(total, exact[i], &total):
            return False
    left = total // NARROW_HUNDREDTH if is_fine else total // NARROW_POINT
    if total < 0:
        left = 0
    for i in range(count):
        # Division by what the compiler knows is a multiplication.
        if total < 0:
            exact[i] = 0
        elif is_fine:
            exact[i] = floor_divide_64(exact[i], NARROW_HUNDREDTH, &remainder)
        else:
            exact[i] = floor_divide_64(exact[i], NARROW_POINT, &remainder)
        priced.lines[i].points_hundredths = exact[i] * size
        left -= exact[i]
        claims[i] = claim(<uint64_t>remainder, i)
    if left and not rounds_lines:
        winners = largest(claims, count, <uint32_t>left)
        for i in range(<uint32_t>left):
            priced.lines[claimed_by(winners[i])].points_hundredths += size
    return True


cdef void round_wide(uint32_t flags, const int64_t* bases, const int64_t* units, const int64_t* rates,
                     priced_t* priced) noexcept nogil:
    """As `round_narrow`, whatever the numbers."""
    cdef uint64_t claims[LINES_MAX]
    cdef int128_t exact[LINES_MAX]
    cdef int128_t most = product(LINE_POINTS_MAX, WIDE_POINT), total = wide(0)
    cdef bint is_fine = flags & CARD_TYPE_FINE_POINTS != 0, rounds_lines = flags & CARD_TYPE_ROUND_LINES != 0
    cdef int64_t grain = WIDE_HUNDREDTH if is_fine else WIDE_POINT, size = 1 if is_fine else HUNDREDTHS
    cdef int64_t remainder = 0, remainders = 0, grains
    cdef uint64_t* winners
    cdef uint32_t count = priced.line_count, left, i
    for i in range(count):
        exact[i] = bounded(product_of_three(bases[i], units[i], rates[i]), most)
        total += exact[i]
    for i in range(count):
        grains = floor_divide(exact[i], grain, &remainder) if total >= wide(0) else 0
        priced.lines[i].points_hundredths = grains * size
        remainders += remainder
        claims[i] = claim(<uint64_t>remainder, i)
    left = <uint32_t>(remainders // grain)
    if left and not rounds_lines:
        winners = largest(claims, count, left)
        for i in range(left):
            priced.lines[claimed_by(winners[i])].points_hundredths += size


cdef void take_from_last(priced_t* priced, int128_t excess, int64_t category) noexcept nogil:
    """Take points from the lines that have some, the last one first; category -1: whatever theirs is."""
    cdef priced_line_t* line
    cdef uint32_t i = priced.line_count
    while i and excess > wide(0):
        i -= 1
        line = &priced.lines[i]
        if line.points_hundredths > 0 and (category < 0 or line.points_category == category):
            if excess >= wide(line.points_hundredths):
                excess -= wide(line.points_hundredths)
                line.points_hundredths = 0
            else:
                line.points_hundredths -= <int64_t>excess
                excess = wide(0)


cdef int128_t day_points_left(const card_type_record_t* card_type, int64_t day_points) noexcept nogil:
    """What the account may still earn today, and with one bill."""
    cdef int128_t left = wide(card_type.daily_points_max_hundredths) - wide(day_points)
    if card_type.daily_points_max_hundredths == NO_LIMIT or left > wide(BILL_POINTS_HUNDREDTHS_MAX):
        return wide(BILL_POINTS_HUNDREDTHS_MAX)
    return left if left > wide(0) else wide(0)


cdef int128_t room_in_purse(Tables tables, const account_record_t* account, uint32_t category) noexcept nogil:
    cdef int128_t room = wide(POINTS_HUNDREDTHS_MAX) - wide(
        account.points_hundredths if category == 0 else points_in(tables, account, category))
    if account.pending_categories >> category & 1:
        room -= wide(points_pending(tables, account, category))
    return room


cdef void cap_points(Tables tables, const card_type_record_t* card_type, int64_t day_points,
                     const account_record_t* account, priced_t* priced) noexcept nogil:
    cdef int128_t total = wide(0), most = day_points_left(card_type, day_points), gained
    cdef uint64_t categories = 0
    cdef uint32_t category, i
    for i in range(priced.line_count):
        total += wide(priced.lines[i].points_hundredths)
        if priced.lines[i].points_hundredths > 0:
            categories |= <uint64_t>1 << priced.lines[i].points_category
    if total > most:
        take_from_last(priced, total - most, -1)
    for category in range(POINTS_CATEGORY_MAX + 1):
        if not categories >> category:
            break
        if not categories >> category & 1:
            continue
        gained = wide(0)
        for i in range(priced.line_count):
            if priced.lines[i].points_category == category:
                gained += wide(priced.lines[i].points_hundredths)
        gained -= room_in_purse(tables, account, category)
        if gained > wide(0):
            take_from_last(priced, gained, category)
    total = wide(0)
    for i in range(priced.line_count):
        total += wide(priced.lines[i].points_hundredths)
    if total < wide(0):
        total = wide(0)
        for i in range(priced.line_count):
            priced.lines[i].points_hundredths = 0
    priced.points_hundredths = <int64_t>total


cdef int64_t earn_recharge(Tables tables, const bill_t* bill, int64_t day_points, const account_record_t* account,
                           uint8_t* category) noexcept nogil:
    cdef const card_type_record_t* card_type = bill.card_type
    cdef bint is_fine = card_type.flags & CARD_TYPE_FINE_POINTS != 0
    cdef const rule_t* rule
    cdef found_t found
    cdef sale_t sale
    cdef int128_t points, most
    cdef int64_t grains, remainder
    category[0] = 0
    if not card_type.functions & FUNCTION_POINTS or bill.ruleset == NULL or not bill.ruleset.layers & RECHARGE_BIT:
        return 0
    sale = sale_of(bill, bill.amount_minor)
    match_bill(bill.ruleset, &sale, RECHARGE_BIT, &found)
    rule = found.best[points_place(LAYER_POINTS_RECHARGE)]
    if rule == &bill.ruleset.none or rule.action == ACTION_EXCLUDE or not category_enabled(
            tables, rule.points_category):
        return 0
    category[0] = rule.points_category
    grains = floor_divide(
        product_of_three(bill.amount_minor, <int64_t>rule.rate * card_type.points_per_unit, RATE_ONE),
        WIDE_HUNDREDTH if is_fine else WIDE_POINT, &remainder)
    points = product(grains, 1 if is_fine else HUNDREDTHS)
    most = day_points_left(card_type, day_points)
    if points > most:
        points = most
    most = room_in_purse(tables, account, rule.points_category)
    if points > most:
        points = most
    return <int64_t>points if points > wide(0) else 0
