"""Reversal and refund: what an earlier entry took is given back, never more than that.

Sections 7 and 10 of docs/decision.md.  Nothing is computed anew by today's
rules: the entry says what each line earned, what each tender took, and that
goes back.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from switch._account cimport (
    add_points, available, free_hold, limits_following, open_hold, settle, take_back, visits_of)
from switch._decision cimport ask_t, decision_t, show_account, touch
from switch._entry cimport reply_of, request_of, result_count_of, results_of
from switch._form cimport evidence_in
from switch._index cimport slot_t
from switch._layout cimport *
from switch._original cimport (
    booking_date_of, is_reversible, line_net, line_results_of, refund_mark, refund_mark_made,
    refundable_lines_of)
from switch._points cimport undo_load_visits, undo_redeem
from switch._shares cimport floor_divide, product
from switch._tables cimport Tables
from switch.duplicates cimport NOTED, POSITION_MASK_LOW, REVERSED, AnswerWindow, answer_key
from switch.group_commit cimport GroupCommit
from switch.journal cimport NOWHERE

cdef enum:
    BY_LINES = 1                     # flag of a whole-bill mark

cdef uint64_t WHOLE_BILL = 0xFFFFFFFF
cdef int64_t CASH_MINOR_MAX = 0xFFFFFFFF


cdef inline bint is_paid_out(const card_record_t* card) noexcept nogil:
    """What belongs to such a card goes back in cash: its account has come to an end."""
    return card.status == CARD_RETURNED or card.status == CARD_VOID


cdef bint can_take_back(Tables tables, const account_record_t* account, const entry_header_t* entry) noexcept nogil:
    """Whether every purse that is needed is there or can be made."""
    cdef const line_result_t* results = results_of(entry)
    cdef uint32_t i, category
    if tables.purses.room(POINTS_CATEGORY_MAX + 1):
        return True
    for i in range(result_count_of(entry)):
        category = results[i].points_category
        if category and tables.purses.find(account.account_number, <uint64_t>1 << 32 | category, 0) == NULL:
            return False
    return True


cdef card_record_t* settled_card(Tables tables, const ask_t* ask, uint64_t card_number, account_record_t** account,
                                 decision_t* decision) noexcept nogil:
    """A card and its account, which is settled first: what is given back comes on top of what was due."""
    cdef card_record_t* card = tables.card(card_number, account)
    cdef const card_type_record_t* card_type
    if account[0] != NULL:
        card_type = tables.card_type(card.card_type, ask.today)
        if card_type != NULL:
            settle(tables, ask, card_type, account[0], decision)
    return card


# ------------------------------------------------------------------------ reversal

cdef void reverse(Tables tables, AnswerWindow answers, GroupCommit commit, const ask_t* ask,
                  const reversal_request_t* request, decision_t* decision) noexcept nogil:
    cdef account_record_t* account = NULL
    cdef uint64_t card_number = request.card_number or number_found(answers, commit, ask, request)
    cdef card_record_t* card = settled_card(tables, ask, card_number, &account, decision)
    decision.reply.code = decide_reversal(tables, answers, commit, ask, request, card_number, card, account, decision)
    if account != NULL:
        show_account(&decision.reply, account)


cdef uint64_t number_found(AnswerWindow answers, GroupCommit commit, const ask_t* ask,
                           const reversal_request_t* request) noexcept nogil:
    """Card of an original whose terminal knew no number: the switch found it by a code or a tag. 0: there is none."""
    cdef uint32_t date = request.original_business_date
    cdef slot_t* slot
    cdef const entry_header_t* original
    cdef const evidence_t* evidence
    if not answers.covers(date) or (
            date == request.business_date and request.original_trace_number == request.trace_number):
        return 0
    slot = answers.find(date, answer_key(ask.terminal_id, request.original_trace_number))
    if slot == NULL or slot.value & NOTED:
        return 0
    original = <const entry_header_t*>commit.entry_at(slot.value & ~<uint64_t>POSITION_MASK_LOW)
    if original == NULL:
        return 0
    evidence = evidence_in(original.request_type, request_of(original), original.request_bytes)
    if evidence == NULL or (evidence.medium != MEDIUM_CODE and evidence.medium != MEDIUM_TAG):
        return 0
    return (<const debit_request_t*>request_of(original)).card_number


cdef uint16_t decide_reversal(Tables tables, AnswerWindow answers, GroupCommit commit, const ask_t* ask,
                              const reversal_request_t* request, uint64_t card_number, card_record_t* card,
                              account_record_t* account, decision_t* decision) noexcept nogil:
    cdef uint64_t key = answer_key(ask.terminal_id, request.original_trace_number)
    cdef uint32_t date = request.original_business_date
    cdef slot_t* slot
    cdef const entry_header_t* original
    cdef const debit_request_t* asked            # card and amount stand at the same place in all that can be undone
    cdef uint16_t code
    if not answers.covers(date):
        return CODE_ORIGINAL_OUTSIDE_WINDOW
    if date == request.business_date and request.original_trace_number == request.trace_number:
        return CODE_ORIGINAL_MISMATCH
    slot = answers.find(date, key)
    if slot != NULL and not slot.value & (NOTED | REVERSED):
        original = <const entry_header_t*>commit.entry_at(slot.value & ~<uint64_t>POSITION_MASK_LOW)
        asked = <const debit_request_t*>request_of(original)
        if not is_reversible(original.request_type):
            return CODE_ORIGINAL_NOT_REVERSIBLE
        if asked.card_number != card_number or asked.amount_minor != request.amount_minor:
            return CODE_ORIGINAL_MISMATCH
        if reply_of(original).code == CODE_APPROVED or reply_of(original).code == CODE_PARTIAL:
            code = undo(tables, ask, original, card, account, decision)
            if code:
                return code
    decision.marks_original = True
    decision.original_date = date
    decision.original_key = key
    return CODE_APPROVED


cdef uint16_t undo(Tables tables, const ask_t* ask, const entry_header_t* original, card_record_t* card,
                   account_record_t* account, decision_t* decision) noexcept nogil:
    """Rows 8 to 13: an approved original."""
    cdef const reply_t* answer = reply_of(original)
    if original.request_type == TYPE_DEBIT:
        return undo_debit(tables, ask, original, card, account, decision)
    if original.request_type == TYPE_HOLD:
        return undo_hold(tables, account, original.sequence, decision)
    # These take from the account, so they do also when the card has ended: other cards may still spend what it got.
    if original.request_type == TYPE_CREDIT:
        return undo_credit(tables, ask, original, account, decision)
    if original.request_type == TYPE_LOAD_VISITS:
        return undo_load_visits(
            tables, ask, <const load_visits_request_t*>request_of(original), answer, account, decision)
    if is_paid_out(card):
        return CODE_APPROVED
    return undo_redeem(tables, ask, <const redeem_request_t*>request_of(original), answer, account, decision)


cdef uint16_t undo_debit(Tables tables, const ask_t* ask, const entry_header_t* original, card_record_t* card,
                         account_record_t* account, decision_t* decision) noexcept nogil:
    cdef reply_t* reply = &decision.reply
    cdef const reply_t* answer = reply_of(original)
    cdef mark_record_t* mark = refund_mark(tables, original.sequence, WHOLE_BILL)
    cdef card_limit_record_t* limits
    if mark != NULL and mark.count:
        return CODE_ORIGINAL_NOT_REVERSIBLE
    if mark == NULL and not tables.marks.room(1):
        return CODE_TABLE_FULL
    if is_paid_out(card):
        if answer.amount_minor > CASH_MINOR_MAX:
            return CODE_ORIGINAL_NOT_REVERSIBLE
        reply.change_minor = <uint32_t>answer.amount_minor
    else:
        if not can_take_back(tables, account, original):
            return CODE_TABLE_FULL
        account.balance_minor += answer.amount_minor
        if account.business_date == original.business_date:
            account.day_debit_minor -= answer.amount_minor
            account.day_debit_count -= 1
            account.day_points_hundredths -= answer.points_hundredths
        touch(decision, account)
        limits = limits_following(tables, card.card_number, original.sequence)
        if limits != NULL and limits.business_date == original.business_date:
            limits.day_debit_minor -= answer.amount_minor
            limits.day_debit_count -= 1
            touch(decision, limits)
        give_back_points_and_visits(tables, ask, original, account, decision)
        reply.amount_minor = answer.amount_minor
        reply.points_hundredths = -answer.points_hundredths
    # A refund must find for ever that nothing is left to give back.
    mark = refund_mark_made(tables, original.sequence, WHOLE_BILL)
    mark.amount_minor = answer.amount_minor
    mark.points_hundredths = answer.points_hundredths
    mark.subject = card.card_number
    touch(decision, mark)
    return CODE_APPROVED


cdef void give_back_points_and_visits(Tables tables, const ask_t* ask, const entry_header_t* original,
                                      account_record_t* account, decision_t* decision) noexcept nogil:
    cdef const debit_request_t* request = <const debit_request_t*>request_of(original)
    cdef const tender_t* tenders = <const tender_t*>(
        <const uint8_t*>request + sizeof(debit_request_t) + request.line_count * sizeof(bill_line_t))
    cdef const line_result_t* results = results_of(original)
    cdef purse_record_t* visits
    cdef uint32_t i, line_count = line_results_of(original)
    if line_count == 0 and reply_of(original).points_hundredths:
        add_points(tables, account, 0, -reply_of(original).points_hundredths, decision)
    for i in range(result_count_of(original)):
        if results[i].points_hundredths:
            take_back(tables, ask, account, results[i].points_category,
                      booking_date_of(original, &results[i]) if i < line_count else 0,
                      results[i].points_hundredths, decision)
    for i in range(request.tender_count):
        if tenders[i].kind == TENDER_VISITS:
            visits = visits_of(tables, account, tenders[i].purse)
            if visits != NULL:
                visits.amount += tenders[i].count
                touch(decision, visits)


cdef uint16_t undo_hold(Tables tables, account_record_t* account, uint64_t hold_sequence,
                        decision_t* decision) noexcept nogil:
    cdef hold_record_t* record = open_hold(tables, account, hold_sequence)
    if record == NULL:
        return CODE_APPROVED
    if record.captured_minor:
        return CODE_ORIGINAL_NOT_REVERSIBLE
    decision.reply.amount_minor = record.amount_minor
    free_hold(tables, account, record, decision)
    return CODE_APPROVED


cdef uint16_t undo_credit(Tables tables, const ask_t* ask, const entry_header_t* original, account_record_t* account,
                          decision_t* decision) noexcept nogil:
    cdef reply_t* reply = &decision.reply
    cdef const credit_request_t* request = <const credit_request_t*>request_of(original)
    cdef const uint64_t* reference = <const uint64_t*>request.reference
    cdef const reply_t* answer = reply_of(original)
    cdef card_limit_record_t* limits = limits_following(tables, request.card_number, original.sequence)
    cdef mark_record_t* mark
    if available(account) < answer.amount_minor:
        return CODE_FUNDS
    if not can_take_back(tables, account, original):
        return CODE_TABLE_FULL
    account.balance_minor -= answer.amount_minor
    if request.channel != CHANNEL_OPENING:
        if account.business_date == original.business_date:
            account.day_recharge_minor -= answer.amount_minor
            account.day_recharge_count -= 1
            account.day_points_hundredths -= answer.points_hundredths
        if limits != NULL and limits.business_date == original.business_date:
            limits.day_recharge_minor -= answer.amount_minor
            limits.day_recharge_count -= 1
            touch(decision, limits)
    touch(decision, account)
    if answer.points_hundredths:
        take_back(tables, ask, account, results_of(original).points_category, 0, answer.points_hundredths, decision)
    mark = <mark_record_t*>tables.marks.find(reference[0], reference[1],
                                             <uint64_t>MARK_REFERENCE << 56 | request.channel)
    if mark != NULL and (reference[0] or reference[1]):
        mark.state = GONE
        touch(decision, mark)
    reply.amount_minor = -answer.amount_minor
    reply.points_hundredths = -answer.points_hundredths
    return CODE_APPROVED


# ------------------------------------------------------------------------ refund

cdef void refund(Tables tables, AnswerWindow answers, GroupCommit commit, const ask_t* ask,
                 const refund_request_t* request, decision_t* decision) noexcept nogil:
    cdef account_record_t* account = NULL
    cdef card_record_t* card = settled_card(tables, ask, request.card_number, &account, decision)
    decision.reply.code = decide_refund(tables, answers, commit, ask, request, card, account, decision)
    if account != NULL:
        show_account(&decision.reply, account)


cdef inline const refund_line_t* refund_lines_of(const refund_request_t* request) noexcept nogil:
    return <const refund_line_t*>(<const uint8_t*>request + sizeof(refund_request_t))


cdef bint amounts_fit(const refund_request_t* request) noexcept nogil:
    cdef const refund_line_t* lines = refund_lines_of(request)
    cdef int64_t total = 0
    cdef uint32_t i
    if not 0 < request.amount_minor <= AMOUNT_MINOR_MAX:
        return False
    for i in range(request.line_count):
        if not 0 < lines[i].amount_minor <= AMOUNT_MINOR_MAX:
            return False
        total += lines[i].amount_minor
    return request.line_count == 0 or total == request.amount_minor


cdef bint leads_to(Tables tables, uint64_t from_number, uint64_t to_number) noexcept nogil:
    """Whether a card is the other one, or was replaced by it, step by step."""
    cdef account_record_t* account = NULL
    cdef const card_record_t* card
    cdef int _step
    for _step in range(SUCCESSOR_STEPS_MAX + 1):
        if from_number == to_number:
            return True
        card = tables.card(from_number, &account)
        if card == NULL or card.successor_number == 0:
            return False
        from_number = card.successor_number
    return False


cdef inline int64_t share_of(int64_t points, int64_t part, int64_t whole) noexcept nogil:
    """floor(points · part / whole); whole above 0."""
    cdef int64_t rest
    return floor_divide(product(points, part), whole, &rest)


cdef bint was_reversed(AnswerWindow answers, const entry_header_t* original) noexcept nogil:
    cdef const debit_request_t* request = <const debit_request_t*>request_of(original)
    cdef slot_t* slot
    if not answers.covers(request.business_date):
        return False
    slot = answers.find(request.business_date, answer_key(original.terminal_id, request.trace_number))
    return slot != NULL and slot.value & REVERSED != 0


cdef uint16_t decide_refund(Tables tables, AnswerWindow answers, GroupCommit commit, const ask_t* ask,
                            const refund_request_t* request, card_record_t* card, account_record_t* account,
                            decision_t* decision) noexcept nogil:
    cdef const refund_line_t* lines = refund_lines_of(request)
    cdef const entry_header_t* original
    cdef const reply_t* answer
    cdef const mark_record_t* whole
    cdef const mark_record_t* of_line
    cdef uint64_t position
    cdef uint32_t i, k, marks_needed
    if not amounts_fit(request):
        return CODE_AMOUNT
    if card == NULL:
        return CODE_CARD_UNKNOWN
    position = commit.position_of_sequence(request.original_sequence)
    original = NULL
    if position != NOWHERE:
        original = <const entry_header_t*>commit.entry_at(position)
    if original == NULL or (original.request_type != TYPE_DEBIT and original.request_type != TYPE_CAPTURE):
        return CODE_ORIGINAL_UNKNOWN
    answer = reply_of(original)
    if answer.code != CODE_APPROVED and answer.code != CODE_PARTIAL:
        return CODE_ORIGINAL_UNKNOWN
    if account == NULL or not leads_to(
            tables, (<const debit_request_t*>request_of(original)).card_number, request.card_number):
        return CODE_ORIGINAL_MISMATCH
    if was_reversed(answers, original):
        return CODE_ORIGINAL_NOT_REVERSIBLE
    whole = refund_mark(tables, original.sequence, WHOLE_BILL)
    if whole != NULL and whole.count and (whole.flags & BY_LINES != 0) != (request.line_count != 0):
        return CODE_ORIGINAL_MISMATCH
    for i in range(request.line_count):
        if lines[i].line >= refundable_lines_of(original):
            return CODE_ORIGINAL_MISMATCH
        for k in range(i):
            if lines[k].line == lines[i].line:
                return CODE_ORIGINAL_MISMATCH
    if request.amount_minor > answer.amount_minor - (whole.amount_minor if whole != NULL else 0):
        return CODE_REFUND_EXCEEDS
    marks_needed = whole == NULL
    for i in range(request.line_count):
        of_line = refund_mark(tables, original.sequence, lines[i].line)
        marks_needed += of_line == NULL
        if lines[i].amount_minor > line_net(original, lines[i].line) - (
                of_line.amount_minor if of_line != NULL else 0):
            return CODE_REFUND_EXCEEDS
    if not tables.marks.room(marks_needed) or not can_take_back(tables, account, original):
        return CODE_TABLE_FULL
    if is_paid_out(card) and request.amount_minor > CASH_MINOR_MAX:
        return CODE_ORIGINAL_NOT_REVERSIBLE
    # From here on it must succeed.
    apply_refund(tables, ask, request, original, card, account, decision)
    return CODE_APPROVED


cdef void apply_refund(Tables tables, const ask_t* ask, const refund_request_t* request,
                       const entry_header_t* original, card_record_t* card, account_record_t* account,
                       decision_t* decision) noexcept nogil:
    cdef reply_t* reply = &decision.reply
    cdef bint paid_out = is_paid_out(card)
    cdef mark_record_t* whole = refund_mark_made(tables, original.sequence, WHOLE_BILL)
    cdef card_limit_record_t* limits
    cdef int64_t points
    if paid_out:
        reply.change_minor = <uint32_t>request.amount_minor
        points = 0
        count_lines(tables, request, original, card, decision)
    else:
        account.balance_minor += request.amount_minor
        touch(decision, account)
        if original.request_type == TYPE_DEBIT and original.business_date == ask.today:
            if account.business_date == ask.today:
                account.day_debit_minor -= request.amount_minor
            limits = limits_following(tables, (<const debit_request_t*>request_of(original)).card_number,
                                      original.sequence)
            if limits != NULL and limits.business_date == ask.today:
                limits.day_debit_minor -= request.amount_minor
                touch(decision, limits)
        if request.line_count:
            points = take_back_lines(tables, ask, request, original, card, account, decision)
        else:
            points = take_back_share(tables, ask, request, original, account, whole.amount_minor, decision)
        reply.amount_minor = request.amount_minor
        reply.points_hundredths = -points
    whole.amount_minor += request.amount_minor
    whole.points_hundredths += points
    whole.count += 1
    whole.flags = BY_LINES if request.line_count else 0
    whole.subject = card.card_number
    touch(decision, whole)


cdef int64_t take_back_lines(Tables tables, const ask_t* ask, const refund_request_t* request,
                             const entry_header_t* original, const card_record_t* card, account_record_t* account,
                             decision_t* decision) noexcept nogil:
    """Points of the lines refunded; in all. The first cents refunded of a line take the least."""
    cdef const refund_line_t* lines = refund_lines_of(request)
    cdef const line_result_t* result
    cdef mark_record_t* mark
    cdef int64_t points, total = 0
    cdef uint32_t i
    count_lines(tables, request, original, card, decision)
    for i in range(request.line_count):
        result = &results_of(original)[lines[i].line]
        mark = refund_mark(tables, original.sequence, lines[i].line)
        points = share_of(result.points_hundredths, mark.amount_minor,
                          line_net(original, lines[i].line)) - mark.points_hundredths
        mark.points_hundredths += points
        total += points
        if points:
            take_back(tables, ask, account, result.points_category, booking_date_of(original, result), points, decision)
    return total


cdef void count_lines(Tables tables, const refund_request_t* request, const entry_header_t* original,
                      const card_record_t* card, decision_t* decision) noexcept nogil:
    """The marks of the lines refunded."""
    cdef const refund_line_t* lines = refund_lines_of(request)
    cdef mark_record_t* mark
    cdef uint32_t i
    for i in range(request.line_count):
        mark = refund_mark_made(tables, original.sequence, lines[i].line)
        mark.amount_minor += lines[i].amount_minor
        mark.count += 1
        mark.flags = BY_LINES
        mark.subject = card.card_number
        touch(decision, mark)


cdef int64_t take_back_share(Tables tables, const ask_t* ask, const refund_request_t* request,
                             const entry_header_t* original, account_record_t* account, int64_t refunded_minor,
                             decision_t* decision) noexcept nogil:
    """Points of the part of the bill that is refunded, line by line; in all."""
    cdef const line_result_t* results = results_of(original)
    cdef int64_t whole_minor = reply_of(original).amount_minor, points, total = 0
    cdef uint32_t i, line_count = line_results_of(original)
    if line_count == 0:
        total = (share_of(reply_of(original).points_hundredths, refunded_minor + request.amount_minor, whole_minor)
                 - share_of(reply_of(original).points_hundredths, refunded_minor, whole_minor))
        if total:
            add_points(tables, account, 0, -total, decision)
        return total
    for i in range(line_count):
        points = (share_of(results[i].points_hundredths, refunded_minor + request.amount_minor, whole_minor)
                  - share_of(results[i].points_hundredths, refunded_minor, whole_minor))
        total += points
        if points:
            take_back(tables, ask, account, results[i].points_category, booking_date_of(original, &results[i]), points,
                      decision)
    return total
