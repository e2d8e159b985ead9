"""Which module decides a request of which type, and the beginning of a business date.

Each decides under the mutex of the batch, changes tables at once, and leaves
reply and images in the decision.
"""

from libc.stdint cimport uint8_t, uint16_t

from switch._card_settings cimport set_card, set_pin
from switch._closing cimport day_totals
from switch._decision cimport ask_t, decision_t, invalid, touch
from switch._evidence cimport write_issuer_answer
from switch._layout cimport *
from switch._lifecycle cimport open_card, operate_card
from switch._operators cimport (
    put_allowed, put_gift, put_organisation, put_points_category, put_price, put_store, put_switch, put_terminal)
from switch._points cimport adjust_points, backfill, convert, load_visits, redeem, transfer_points
from switch._rule_desk cimport activate_rules, put_rule
from switch._rules cimport Rules
from switch._sale cimport debit, sale_t
from switch._security cimport (
    change_key, confirm_write, handle_alarm, put_key, put_medium, put_medium_policy, put_travel, rewrap_key)
from switch._tables cimport Tables
from switch._type_desk cimport put_card_type, set_type_state
from switch._undo cimport refund, reverse
from switch._value cimport capture, credit, hold, release, transfer
from switch.duplicates cimport AnswerWindow
from switch.group_commit cimport GroupCommit

cdef enum:
    NEXT_DATE_AT = 16


cdef void evaluate(Tables tables, Rules rules, AnswerWindow answers, GroupCommit commit, const ask_t* ask,
                   uint8_t request_type, const uint8_t* body, sale_t* sale, decision_t* decision) noexcept nogil:
    """Decide a new request by its type."""
    cdef reply_t* reply = &decision.reply
    if request_type == TYPE_DEBIT:
        debit(tables, rules, ask, <const debit_request_t*>body, sale, decision)
    elif request_type == TYPE_REVERSAL:
        reverse(tables, answers, commit, ask, <const reversal_request_t*>body, decision)
    elif request_type == TYPE_CREDIT:
        credit(tables, rules, ask, <const credit_request_t*>body, decision)
    elif request_type == TYPE_HOLD:
        hold(tables, ask, <const hold_request_t*>body, decision)
    elif request_type == TYPE_CAPTURE:
        capture(tables, rules, ask, <const capture_request_t*>body, sale, decision)
    elif request_type == TYPE_RELEASE:
        release(tables, ask, <const release_request_t*>body, decision)
    elif request_type == TYPE_REFUND:
        refund(tables, answers, commit, ask, <const refund_request_t*>body, decision)
    elif request_type == TYPE_TRANSFER:
        transfer(tables, ask, <const transfer_request_t*>body, decision)
    elif request_type == TYPE_REDEEM:
        reply.code = redeem(tables, rules, ask, <const redeem_request_t*>body, decision)
    elif request_type == TYPE_CONVERT:
        reply.code = convert(tables, rules, ask, <const convert_request_t*>body, decision)
    elif request_type == TYPE_ADJUST_POINTS:
        reply.code = adjust_points(tables, rules, ask, <const adjust_points_request_t*>body, decision)
    elif request_type == TYPE_TRANSFER_POINTS:
        reply.code = transfer_points(tables, rules, ask, <const transfer_points_request_t*>body, decision)
    elif request_type == TYPE_LOAD_VISITS:
        reply.code = load_visits(tables, rules, ask, <const load_visits_request_t*>body, decision)
    elif request_type == TYPE_BACKFILL:
        reply.code = backfill(tables, rules, ask, <const backfill_request_t*>body, decision)
    elif request_type == TYPE_DAY_TOTALS:
        reply.code = day_totals(tables, answers, commit, ask, <const day_totals_request_t*>body,
                                decision)
    elif request_type == TYPE_CONFIRM_WRITE:
        reply.code = confirm_write(tables, ask, <const confirm_write_request_t*>body, decision)
    elif TYPE_PUT_MEDIUM <= request_type <= TYPE_CHANGE_KEY:
        reply.code = evaluate_security(tables, ask, request_type, body, decision)
    else:
        reply.code = evaluate_operator(tables, rules, ask, request_type, body, decision)
    write_issuer_answer(decision)


cdef uint16_t evaluate_operator(Tables tables, Rules rules, const ask_t* ask, uint8_t request_type,
                                const uint8_t* body, decision_t* decision) noexcept nogil:
    if request_type == TYPE_OPERATE_CARD:
        return operate_card(tables, ask, <const operate_card_request_t*>body, decision)
    if request_type == TYPE_OPEN_CARD:
        return open_card(tables, ask, <const open_card_request_t*>body, decision)
    if request_type == TYPE_SET_PIN:
        return set_pin(tables, ask, <const set_pin_request_t*>body, decision)
    if request_type == TYPE_SET_CARD:
        return set_card(tables, ask, <const set_card_request_t*>body, decision)
    if request_type == TYPE_PUT_CARD_TYPE:
        return put_card_type(tables, ask, <const put_card_type_request_t*>body, decision)
    if request_type == TYPE_SET_TYPE_STATE:
        return set_type_state(tables, ask, <const set_type_state_request_t*>body, decision)
    if request_type == TYPE_PUT_STORE:
        return put_store(tables, ask, <const put_store_request_t*>body, decision)
    if request_type == TYPE_PUT_TERMINAL:
        return put_terminal(tables, ask, <const put_terminal_request_t*>body, decision)
    if request_type == TYPE_PUT_ORGANISATION:
        return put_organisation(tables, ask, <const put_organisation_request_t*>body, decision)
    if request_type == TYPE_PUT_POINTS_CATEGORY:
        return put_points_category(tables, ask, <const put_points_category_request_t*>body, decision)
    if request_type == TYPE_PUT_GIFT:
        return put_gift(tables, ask, <const put_gift_request_t*>body, decision)
    if request_type == TYPE_PUT_RULE:
        return put_rule(tables, ask, <const put_rule_request_t*>body, decision)
    if request_type == TYPE_ACTIVATE_RULES:
        return activate_rules(tables, rules, ask, <const activate_rules_request_t*>body, decision)
    if request_type == TYPE_PUT_PRICE:
        return put_price(tables, ask, <const put_price_request_t*>body, decision)
    if request_type == TYPE_PUT_ALLOWED:
        return put_allowed(tables, ask, <const put_allowed_request_t*>body, decision)
    if request_type == TYPE_CUT_OVER:
        return cut_over(tables, ask, <const cut_over_request_t*>body, decision)
    return put_switch(tables, ask, <const put_switch_request_t*>body, decision)


cdef uint16_t evaluate_security(Tables tables, const ask_t* ask, uint8_t request_type, const uint8_t* body,
                                decision_t* decision) noexcept nogil:
    if request_type == TYPE_PUT_MEDIUM:
        return put_medium(tables, ask, <const put_medium_request_t*>body, decision)
    if request_type == TYPE_PUT_MEDIUM_POLICY:
        return put_medium_policy(tables, ask, <const put_medium_policy_request_t*>body, decision)
    if request_type == TYPE_PUT_KEY:
        return put_key(tables, ask, <const put_key_request_t*>body, decision)
    if request_type == TYPE_PUT_TRAVEL:
        return put_travel(tables, ask, <const put_travel_request_t*>body, decision)
    if request_type == TYPE_HANDLE_ALARM:
        return handle_alarm(tables, ask, <const handle_alarm_request_t*>body, decision)
    if request_type == TYPE_REWRAP_KEY:
        return rewrap_key(tables, ask, <const rewrap_key_request_t*>body, decision)
    return change_key(tables, ask, <const change_key_request_t*>body, decision)


cdef uint16_t cut_over(Tables tables, const ask_t* ask, const cut_over_request_t* request,
                       decision_t* decision) noexcept nogil:
    """Begin a business date; the engine moves its window on when the entry is written."""
    if ask.terminal_id != 0 and (request.next_date != ask.today + 1 or request.next_date > ask.local_date + 1):
        return invalid(&decision.reply, NEXT_DATE_AT)
    if tables.settings.kind:
        tables.settings.business_date = request.next_date
        touch(decision, &tables.settings)
    return CODE_APPROVED
