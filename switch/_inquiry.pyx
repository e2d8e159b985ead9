"""Questions that change nothing: balance and card query (section 14 of docs/decision.md).

They show the account as settling would leave it, on a copy.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from switch._account cimport PURSE_POINTS, PURSE_VISITS, peek, points_in, points_pending, points_settled, visits_of
from switch._decision cimport ask_t, decision_t, show_account
from switch._layout cimport *
from switch._tables cimport Tables


cdef const card_record_t* look(Tables tables, const ask_t* ask, uint64_t card_number, account_record_t* copy,
                               account_record_t** account, decision_t* decision) noexcept nogil:
    """What both inquiries say: the code, and the account as it would be settled. NULL for an unknown card."""
    cdef reply_t* reply = &decision.reply
    cdef const card_record_t* card = tables.card(card_number, account)
    if card == NULL:
        reply.code = CODE_CARD_UNKNOWN
        return NULL
    if account[0] != NULL:
        copy[0] = account[0][0]
        reply.recharged_minor = peek(tables, ask, tables.card_type(card.card_type, ask.today), copy, NULL)
        show_account(reply, copy)
        reply.points_balance_hundredths = points_settled(tables, ask, account[0], 0)
        reply.journal_sequence = account[0].last_sequence
    return card


cdef void balance(Tables tables, const ask_t* ask, const balance_request_t* request,
                  decision_t* decision) noexcept nogil:
    cdef account_record_t copy
    cdef account_record_t* account = NULL
    look(tables, ask, request.card_number, &copy, &account, decision)


cdef void card_query(Tables tables, const ask_t* ask, const card_query_request_t* request,
                     decision_t* decision) noexcept nogil:
    cdef account_record_t copy
    cdef account_record_t* account = NULL
    cdef const card_record_t* card = look(tables, ask, request.card_number, &copy, &account, decision)
    cdef const card_type_record_t* card_type
    cdef card_facts_t* facts = <card_facts_t*>decision.more
    if card == NULL:
        return
    card_type = tables.card_type(card.card_type, ask.today)
    memset(facts, 0, sizeof(card_facts_t))
    facts.card_type, facts.status, facts.flags = card.card_type, card.status, card.flags
    if card.status == CARD_ACTIVE and card.expiry_date != 0 and ask.today > card.expiry_date:
        facts.status = CARD_EXPIRED
    facts.expiry_date, facts.successor_number = card.expiry_date, card.successor_number
    if card_type != NULL:
        facts.level, facts.price_class = card_type.level, card_type.price_class
        if card_type.functions & FUNCTION_DISCOUNT:
            facts.discount_bp = card_type.discount_bp
    if account != NULL:
        facts.account_number, facts.member = copy.account_number, copy.member
        if copy.level:
            facts.level = copy.level
        if copy.business_date == ask.today:
            facts.day_debit_minor, facts.day_debit_count = copy.day_debit_minor, copy.day_debit_count
            facts.day_recharge_minor, facts.day_recharge_count = copy.day_recharge_minor, copy.day_recharge_count
        write_purses(tables, ask, account, facts)
    decision.more_bytes = <uint32_t>(sizeof(card_facts_t) + facts.purse_count * sizeof(purse_fact_t))


cdef void write_purses(Tables tables, const ask_t* ask, const account_record_t* account,
                       card_facts_t* facts) noexcept nogil:
    cdef const purse_record_t* visits
    cdef int64_t points
    cdef uint32_t number
    for number in range(POINTS_CATEGORY_MAX + 1):
        points = points_settled(tables, ask, account, number)
        facts.pending_hundredths += points_pending(tables, account, number)
        # Of what waits, the part that is due was just counted as booked.
        facts.pending_hundredths -= points - points_in(tables, account, number)
        if number == 0 or points:
            add_purse(facts, <uint64_t>PURSE_POINTS << 32 | number, points)
    for number in range(1, VISIT_SERVICE_MAX + 1):
        visits = visits_of(tables, account, number)
        if visits != NULL and visits.amount:
            add_purse(facts, <uint64_t>PURSE_VISITS << 32 | number, visits.amount)


cdef inline void add_purse(card_facts_t* facts, uint64_t purse, int64_t amount) noexcept nogil:
    cdef purse_fact_t* fact
    if facts.purse_count == PURSES_SHOWN_MAX:
        return
    fact = <purse_fact_t*>(<char*>facts + sizeof(card_facts_t)) + facts.purse_count
    fact.purse, fact.amount = purse, amount
    facts.purse_count += 1
