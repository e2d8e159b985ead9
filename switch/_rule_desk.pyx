"""Sets of rules as operators write them: put rule, activate rules (section 16 of docs/decision.md).

A set is a draft until it is activated, and never changes afterwards.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memset

from switch._decision cimport ask_t, decision_t, invalid, touch
from switch._layout cimport *
from switch._rules cimport Rules
from switch._tables cimport Tables

cdef enum:
    WEEKDAYS_ALL = 127
    SETTLEMENTS_ALL = 127
    MINUTES_PER_DAY = 1440
    PRIORITY_MAX = 65535


# ------------------------------------------------------------------------ put rule

cdef uint16_t put_rule(Tables tables, const ask_t* ask, const put_rule_request_t* request,
                       decision_t* decision) noexcept nogil:
    """Put a rule into a draft set, or take it out; the set is made with its first rule."""
    cdef ruleset_record_t* ruleset
    cdef rule_record_t* rule
    cdef uint16_t code = misfit(tables, request, &decision.reply)
    if code != CODE_APPROVED:
        return code
    ruleset = tables.ruleset(request.ruleset)
    rule = <rule_record_t*>tables.rules.find(request.ruleset, request.rule, 0)
    if request.remove:
        if rule == NULL:
            return CODE_ORIGINAL_UNKNOWN
        rule.state = GONE
        ruleset.rule_count -= 1
    else:
        if (rule == NULL and not tables.rules.room(1)) or (ruleset == NULL and not tables.room(KIND_RULESET)):
            return CODE_TABLE_FULL
        if ruleset == NULL:
            ruleset = new_ruleset(tables, request.ruleset)
        if rule == NULL:
            rule = <rule_record_t*>tables.rules.make(request.ruleset, request.rule, 0)
            ruleset.rule_count += 1
        write_rule(request, rule)
    touch(decision, rule)
    touch(decision, ruleset)
    return CODE_APPROVED


cdef uint16_t misfit(Tables tables, const put_rule_request_t* request, reply_t* reply) noexcept nogil:
    """The first check that the rule itself does not pass."""
    cdef const ruleset_record_t* ruleset = tables.ruleset(request.ruleset)
    if request.ruleset == 0:
        return invalid(reply, 16)
    if ruleset != NULL and ruleset.state == RULESET_ACTIVE:
        return CODE_RULESET_STATE
    if request.rule < 1 or request.rule > RULE_NUMBER_MAX:
        return invalid(reply, 20)
    if request.layer > LAYER_POINTS_RECHARGE:
        return invalid(reply, 24)
    if request.action > ACTION_REPLACE:
        return invalid(reply, 25)
    if request.weekdays > WEEKDAYS_ALL:
        return invalid(reply, 27)
    if request.from_minute >= MINUTES_PER_DAY:
        return invalid(reply, 64)
    if request.until_minute != 0 and not request.from_minute < request.until_minute <= MINUTES_PER_DAY:
        return invalid(reply, 66)
    if request.settlements > SETTLEMENTS_ALL:
        return invalid(reply, 68)
    if request.booking_days > BOOKING_DAYS_MAX:
        return invalid(reply, 70)
    if request.bill_minor_min < 0:
        return invalid(reply, 80)
    if request.unit_price_minor < 0:
        return invalid(reply, 88)
    if request.rate > RATE_MAX:
        return invalid(reply, 96)
    if request.priority > PRIORITY_MAX:
        return invalid(reply, 100)
    if request.points_category > POINTS_CATEGORY_MAX:
        return invalid(reply, 104)
    if request.remove > 1:
        return invalid(reply, 105)
    if request.layer == LAYER_FORBID and request.action != ACTION_EXCLUDE:
        return invalid(reply, 25)
    if request.until_date != 0 and request.until_date < request.from_date:
        return invalid(reply, 60)
    if request.layer == LAYER_POINTS_RECHARGE:
        # There is no line that such a field could fit.
        if request.item != 0:
            return invalid(reply, 40)
        if request.department != 0:
            return invalid(reply, 30)
        if request.category != 0:
            return invalid(reply, 32)
        if request.brand != 0:
            return invalid(reply, 34)
    if request.card_type > CARD_TYPE_CODE_MAX:
        return invalid(reply, 28)
    return CODE_APPROVED


cdef ruleset_record_t* new_ruleset(Tables tables, uint32_t number) noexcept nogil:
    """An empty draft (room was checked before)."""
    cdef ruleset_record_t record
    memset(&record, 0, sizeof(record))
    record.kind, record.version, record.state, record.ruleset = KIND_RULESET, 1, RULESET_DRAFT, number
    tables.put(<const uint8_t*>&record)
    return tables.ruleset(number)


cdef inline void write_rule(const put_rule_request_t* request, rule_record_t* rule) noexcept nogil:
    rule.layer, rule.action, rule.rate, rule.priority = request.layer, request.action, request.rate, request.priority
    rule.card_type, rule.level, rule.segments = request.card_type, request.level, request.segments
    rule.item, rule.department = request.item, request.department
    rule.category, rule.brand = request.category, request.brand
    rule.store_id, rule.terminal_id = request.store_id, request.terminal_id
    rule.from_date, rule.until_date, rule.weekdays = request.from_date, request.until_date, request.weekdays
    rule.from_minute, rule.until_minute = request.from_minute, request.until_minute
    rule.settlements, rule.booking_days = request.settlements, request.booking_days
    rule.bill_minor_min, rule.unit_price_minor = request.bill_minor_min, request.unit_price_minor
    rule.points_category = request.points_category


# ------------------------------------------------------------------------ activate rules

cdef uint16_t activate_rules(Tables tables, Rules rules, const ask_t* ask, const activate_rules_request_t* request,
                             decision_t* decision) noexcept nogil:
    """Check a draft as a whole and put it in force from a business date on."""
    cdef reply_t* reply = &decision.reply
    cdef ruleset_record_t* ruleset = tables.ruleset(request.ruleset)
    cdef uint32_t fault
    if request.ruleset == 0:
        return invalid(reply, 16)
    if ruleset != NULL and ruleset.state != RULESET_DRAFT:
        return CODE_RULESET_STATE
    if request.rule_count != (ruleset.rule_count if ruleset != NULL else 0):
        return CODE_RULES_INVALID
    if request.from_date <= ask.today and any_active(tables):
        return invalid(reply, 20)
    if begins_on(tables, request.from_date):
        return CODE_RULESET_STATE
    fault = rules.first_fault(request.ruleset)
    if fault:
        reply.detail = <uint16_t>fault
        return CODE_RULES_INVALID
    if ruleset == NULL and not tables.room(KIND_RULESET):
        return CODE_TABLE_FULL
    if rules.activate(request.ruleset, request.from_date) != 0:
        return CODE_TABLE_FULL                   # no memory for its compiled form
    if ruleset == NULL:
        ruleset = new_ruleset(tables, request.ruleset)
    ruleset.state, ruleset.from_date, ruleset.author = RULESET_ACTIVE, request.from_date, request.operator_id
    touch(decision, ruleset)
    return CODE_APPROVED


cdef inline const ruleset_record_t* ruleset_at(Tables tables, uint32_t place) noexcept nogil:
    return &(<const ruleset_record_t*>tables.rulesets.array.records)[place]


cdef bint any_active(Tables tables) noexcept nogil:
    cdef uint32_t i
    for i in range(tables.rulesets.array.count):
        if ruleset_at(tables, i).state == RULESET_ACTIVE:
            return True
    return False


cdef bint begins_on(Tables tables, uint32_t date) noexcept nogil:
    """Whether an active set begins on a date."""
    cdef uint32_t i
    for i in range(tables.rulesets.array.count):
        if ruleset_at(tables, i).state == RULESET_ACTIVE and ruleset_at(tables, i).from_date == date:
            return True
    return False
