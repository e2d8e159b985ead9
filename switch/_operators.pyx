"""Configuration by message: stores, terminals, organisations, points categories, gifts, prices, lists, the switch.

Section 16 of docs/decision.md; card types are in `_type_desk`, rules in
`_rule_desk`.  Cold, but decided and journaled like everything else.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from switch._account cimport category_exists
from switch._decision cimport ask_t, decision_t, invalid, touch
from switch._layout cimport *
from switch._tables cimport Tables

cdef enum:
    RIGHTS_ALL = 63
    FLAGS_ONE = 1                        # largest flags of a terminal, a category, a gift
    TENDER_CAP_BP_MAX = 10000
    TREE_DEPTH_MAX = 65536               # no walk upwards is longer than there are nodes

cdef int64_t GIFT_PRICE_HUNDREDTHS_MAX = 1000000000000000        # 10^15
cdef int64_t NO_PRICE = -1                       # of an article whose first price is to come


# ------------------------------------------------------------------------ organisation, stores, terminals

cdef uint16_t put_store(Tables tables, const ask_t* ask, const put_store_request_t* request,
                        decision_t* decision) noexcept nogil:
    cdef store_record_t record
    if request.store_id == 0:
        return invalid(&decision.reply, 16)
    # A group that keeps no organisation may number its stores' nodes as it likes.
    if request.organisation_id != 0 and tables.organisations.array.count != 0:
        if tables.organisation(request.organisation_id) == NULL:
            return CODE_ORGANISATION_UNKNOWN
    memset(&record, 0, sizeof(record))
    record.kind, record.version, record.store_id = KIND_STORE, 2, request.store_id
    record.organisation_id, record.round_off_minor = request.organisation_id, request.round_off_minor
    if tables.put(<const uint8_t*>&record) != 0:
        return CODE_TABLE_FULL
    touch(decision, tables.store(request.store_id))
    return CODE_APPROVED


cdef bint has_next(const terminal_record_t* terminal) noexcept nogil:
    """Whether a terminal is going over to another key."""
    cdef uint32_t i
    for i in range(sizeof(terminal.wrapped_next)):
        if terminal.wrapped_next[i] != 0:
            return True
    return False


cdef uint16_t put_terminal(Tables tables, const ask_t* ask, const put_terminal_request_t* request,
                           decision_t* decision) noexcept nogil:
    cdef reply_t* reply = &decision.reply
    cdef terminal_record_t* known
    cdef terminal_record_t record
    cdef bint has_key = False
    cdef uint32_t i
    if request.terminal_id == 0:
        return invalid(reply, 16)
    if request.rights > RIGHTS_ALL:
        return invalid(reply, 24)
    if request.status != TERMINAL_ACTIVE and request.status != TERMINAL_BLOCKED:
        return invalid(reply, 28)
    if request.flags > FLAGS_ONE:
        return invalid(reply, 30)
    if request.store_id != 0 and tables.store(request.store_id) == NULL:
        return CODE_STORE_UNKNOWN
    for i in range(sizeof(request.key)):
        has_key |= request.key[i] != 0
    known = tables.terminal(request.terminal_id)
    if known == NULL and not has_key:
        return CODE_TERMINAL_UNKNOWN
    memset(&record, 0, sizeof(record))
    record.kind, record.version, record.status, record.flags = KIND_TERMINAL, 2, request.status, request.flags
    record.rights, record.store_id, record.terminal_id = <uint8_t>request.rights, request.store_id, request.terminal_id
    if has_key:
        memcpy(record.wrapped_key, request.key, sizeof(record.wrapped_key))
        record.storage_version = request.storage_version
        # The number of a next key that is given up is not given again: sessions made with it would go on.
        record.key_version = 1 if known == NULL else <uint16_t>(known.key_version + 1 + has_next(known))
    else:
        memcpy(record.wrapped_key, known.wrapped_key, sizeof(record.wrapped_key))
        memcpy(record.wrapped_next, known.wrapped_next, sizeof(record.wrapped_next))
        record.storage_version, record.key_version = known.storage_version, known.key_version
    if tables.put(<const uint8_t*>&record) != 0:
        return CODE_TABLE_FULL
    touch(decision, tables.terminal(request.terminal_id))
    return CODE_APPROVED


cdef uint16_t put_organisation(Tables tables, const ask_t* ask, const put_organisation_request_t* request,
                               decision_t* decision) noexcept nogil:
    cdef reply_t* reply = &decision.reply
    cdef organisation_record_t record
    if request.organisation_id == 0:
        return invalid(reply, 16)
    if request.parent_id == request.organisation_id:
        return invalid(reply, 20)
    if request.parent_id != 0 and tables.organisation(request.parent_id) == NULL:
        return CODE_ORGANISATION_UNKNOWN
    if lies_below(tables, request.parent_id, request.organisation_id):
        return CODE_ORGANISATION_UNKNOWN
    if request.node < NODE_HQ or request.node > NODE_DEALER:
        return invalid(reply, 24)
    memset(&record, 0, sizeof(record))
    record.kind, record.version, record.node = KIND_ORGANISATION, 1, request.node
    record.parent_id, record.organisation_id = request.parent_id, request.organisation_id
    memcpy(record.name, request.name, sizeof(record.name))
    if tables.put(<const uint8_t*>&record) != 0:
        return CODE_TABLE_FULL
    touch(decision, tables.organisation(request.organisation_id))
    return CODE_APPROVED


cdef bint lies_below(Tables tables, uint32_t node_id, uint32_t above_id) noexcept nogil:
    """Whether a node is another one, or somewhere under it."""
    cdef const organisation_record_t* node
    cdef uint32_t _depth
    for _depth in range(TREE_DEPTH_MAX):
        if node_id == above_id:
            return True
        node = tables.organisation(node_id)
        if node == NULL:
            return False
        node_id = node.parent_id
    return False


# ------------------------------------------------------------------------ points categories, gifts

cdef uint16_t put_points_category(Tables tables, const ask_t* ask, const put_points_category_request_t* request,
                                  decision_t* decision) noexcept nogil:
    cdef reply_t* reply = &decision.reply
    cdef points_category_record_t record
    if request.category > POINTS_CATEGORY_MAX:
        return invalid(reply, 16)
    if request.flags > FLAGS_ONE:
        return invalid(reply, 17)
    if request.tender_cap_bp > TENDER_CAP_BP_MAX:
        return invalid(reply, 18)
    if request.tender_rate > POINTS_RATE_MAX:
        return invalid(reply, 20)
    if request.convert_rate > POINTS_RATE_MAX:
        return invalid(reply, 24)
    if request.convert_lot_minor < 1:
        return invalid(reply, 32)
    memset(&record, 0, sizeof(record))
    record.kind, record.version, record.flags = KIND_POINTS_CATEGORY, 1, request.flags
    record.category, record.tender_cap_bp = request.category, request.tender_cap_bp
    record.tender_rate, record.convert_rate = request.tender_rate, request.convert_rate
    record.convert_lot_minor = request.convert_lot_minor
    memcpy(record.name, request.name, sizeof(record.name))
    if tables.put(<const uint8_t*>&record) != 0:
        return CODE_TABLE_FULL
    touch(decision, tables.points_category(request.category))
    return CODE_APPROVED


cdef uint16_t put_gift(Tables tables, const ask_t* ask, const put_gift_request_t* request,
                       decision_t* decision) noexcept nogil:
    cdef reply_t* reply = &decision.reply
    cdef gift_record_t record
    if request.gift_id == 0:
        return invalid(reply, 16)
    if request.flags > FLAGS_ONE:
        return invalid(reply, 20)
    if not category_exists(tables, request.category):
        return CODE_CATEGORY_UNKNOWN
    if request.price_hundredths < 0 or request.price_hundredths > GIFT_PRICE_HUNDREDTHS_MAX:
        return invalid(reply, 24)
    if request.until_date != 0 and request.until_date < request.from_date:
        return invalid(reply, 36)
    memset(&record, 0, sizeof(record))
    record.kind, record.version, record.flags, record.gift_id = KIND_GIFT, 1, request.flags, request.gift_id
    record.level_min, record.category = request.level_min, request.category
    record.price_hundredths = request.price_hundredths
    record.from_date, record.until_date = request.from_date, request.until_date
    record.account_max, record.stock = request.account_max, request.stock
    memcpy(record.name, request.name, sizeof(record.name))
    if tables.put(<const uint8_t*>&record) != 0:
        return CODE_TABLE_FULL
    touch(decision, tables.gift(request.gift_id))
    return CODE_APPROVED


# ------------------------------------------------------------------------ prices, lists

cdef uint16_t put_price(Tables tables, const ask_t* ask, const put_price_request_t* request,
                        decision_t* decision) noexcept nogil:
    """The price now, or the next one; a next price whose date has come is the price now by then."""
    cdef reply_t* reply = &decision.reply
    cdef price_record_t* price
    if request.item == 0:
        return invalid(reply, 16)
    if request.unit_price_minor < 0 or request.unit_price_minor > UNIT_PRICE_MINOR_MAX:
        return invalid(reply, 24)
    price = <price_record_t*>tables.prices.find(request.item, request.price_class, 0)
    if price == NULL:
        price = <price_record_t*>tables.prices.make(request.item, request.price_class, 0)
        if price == NULL:
            return CODE_TABLE_FULL
        price.unit_price_minor = NO_PRICE
    elif price.next_from_date != 0 and price.next_from_date <= ask.today:
        price.unit_price_minor = price.next_unit_price_minor
        price.next_from_date, price.next_unit_price_minor = 0, 0
    if request.from_date <= ask.today:
        price.unit_price_minor = request.unit_price_minor
    else:
        price.next_from_date, price.next_unit_price_minor = request.from_date, request.unit_price_minor
    touch(decision, price)
    return CODE_APPROVED


cdef uint16_t put_allowed(Tables tables, const ask_t* ask, const put_allowed_request_t* request,
                          decision_t* decision) noexcept nogil:
    """Put a store or an operator on a list of a card type, or take it off."""
    cdef reply_t* reply = &decision.reply
    cdef uint64_t list_key = <uint64_t>request.code << 8 | request.list, mark_key = <uint64_t>MARK_ALLOWED << 56
    cdef mark_record_t* mark
    if not tables.type_exists(request.code):
        return CODE_CARD_TYPE_UNKNOWN
    if request.list < ALLOWED_LIST_STORES or request.list > ALLOWED_LIST_OPERATORS:
        return invalid(reply, 18)
    if request.allowed > 1:
        return invalid(reply, 19)
    if request.number == 0:
        return invalid(reply, 20)
    if request.allowed and request.list != ALLOWED_LIST_OPERATORS and tables.store(request.number) == NULL:
        return CODE_STORE_UNKNOWN
    mark = <mark_record_t*>tables.marks.find(list_key, request.number, mark_key)
    if request.allowed:
        if mark == NULL:
            mark = <mark_record_t*>tables.marks.make(list_key, request.number, mark_key)
        if mark == NULL:
            return CODE_TABLE_FULL
    else:
        if mark == NULL:
            return CODE_APPROVED
        mark.state = GONE
    touch(decision, mark)
    return CODE_APPROVED


# ------------------------------------------------------------------------ the switch

cdef uint16_t put_switch(Tables tables, const ask_t* ask, const put_switch_request_t* request,
                         decision_t* decision) noexcept nogil:
    """What `cardswitch init` writes; its date has begun."""
    cdef switch_record_t* record = &tables.settings
    memset(record, 0, sizeof(switch_record_t))
    record.kind, record.version, record.mode, record.partition = KIND_SWITCH, 2, request.mode, request.partition
    record.cut_over_minutes, record.business_date = request.cut_over_minutes, ask.today
    memcpy(record.timezone, request.timezone, sizeof(record.timezone))
    touch(decision, record)
    return CODE_APPROVED
