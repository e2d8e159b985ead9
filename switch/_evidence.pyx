"""Evidence of a medium is judged: genuine or not, used before or not, a copy or not, and whether a PIN is asked for.

Section 18 of docs/decision.md, "What is decided".  No key is needed here: what
the proof came to was written into the evidence before (`_examine`), so a
replay needs none either.  A quote runs through the same rows and changes
nothing.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from switch._account cimport check_pin
from switch._card_job cimport keep_card
from switch._decision cimport ask_t, decision_t, touch
from switch._layout cimport *
from switch._tables cimport Tables

cdef enum:
    MS_PER_MINUTE = 60000
    MS_PER_10_MINUTES = 600000
    MS_PER_HOUR = 3600000
    MEDIUM_BITS = 8                      # of a policy's `media`
    COUNT_MAX = 65535                    # accepted proofs, a terminal's fails: two bytes
    FAILS_MAX = 255                      # a medium's: one byte


# ------------------------------------------------------------------------ policy

cdef inline uint32_t minor_max(const medium_policy_record_t* policy, const evidence_t* evidence) noexcept nogil:
    """Largest amount that the medium may pay."""
    if evidence == NULL:
        return policy.number_minor_max
    if evidence.medium == MEDIUM_CHIP:
        return policy.contactless_minor_max if evidence.flags & EVIDENCE_CONTACTLESS else policy.chip_minor_max
    if evidence.medium == MEDIUM_CODE:
        return policy.code_minor_max
    if evidence.medium == MEDIUM_STRIPE:
        return policy.stripe_minor_max
    return policy.tag_minor_max


cdef inline uint32_t pin_minor(const medium_policy_record_t* policy, const evidence_t* evidence) noexcept nogil:
    """Largest amount that the medium pays without a PIN."""
    if evidence == NULL:
        return policy.number_pin_minor
    if evidence.medium == MEDIUM_CHIP:
        return policy.contactless_pin_minor if evidence.flags & EVIDENCE_CONTACTLESS else policy.chip_pin_minor
    if evidence.medium == MEDIUM_CODE:
        return policy.code_pin_minor
    if evidence.medium == MEDIUM_STRIPE:
        return policy.stripe_pin_minor
    return policy.tag_pin_minor


cdef inline bint is_above(int64_t amount_minor, uint32_t most) noexcept nogil:
    return most != NO_COUNT_LIMIT and amount_minor > most


cdef inline bint is_key_accepted(Tables tables, const evidence_t* evidence,
                                 const medium_record_t* medium) noexcept nogil:
    """Row 5: whether proofs made with the key version still pass."""
    cdef const key_record_t* key
    if (evidence.outcome == OUTCOME_KEY_MISSING or evidence.outcome == OUTCOME_NOT_CHECKED
            or evidence.outcome > OUTCOME_CHALLENGE):
        return False
    if medium != NULL:
        if evidence.found_key_version < medium.key_version:
            return False
        if medium.flags & MEDIUM_FLAG_STORED_KEY:
            return True
    if not MEDIUM_CHIP <= evidence.medium <= MEDIUM_TAG:
        return False
    key = tables.key(purpose_of(evidence.medium), evidence.found_key_version)
    return key != NULL and (key.state == KEY_NEW or key.state == KEY_ACTIVE
                            or key.state == KEY_VERIFY_ONLY)


# ------------------------------------------------------------------------ alarms and wrong proofs

cdef alarm_record_t* raise_alarm(Tables tables, const ask_t* ask, uint8_t kind, uint64_t card_number,
                                 decision_t* decision) noexcept nogil:
    """A new alarm with the second sighting, this one; NULL when the entry has one, or the table is full."""
    cdef alarm_record_t* alarm
    if tables.alarms.find(decision.reply.journal_sequence, 0, 0) != NULL:
        return NULL
    alarm = <alarm_record_t*>tables.alarms.make(decision.reply.journal_sequence, 0, 0)
    if alarm == NULL:
        return NULL
    alarm.state, alarm.alarm, alarm.card_number = ALARM_STATE_NEW, kind, card_number
    alarm.medium, alarm.medium_id = ask.evidence.medium, ask.evidence.found_medium_id
    alarm.second_terminal_id, alarm.second_store_id = ask.terminal_id, ask.store_id
    alarm.second_ms, alarm.second_counter = ask.now_ms, ask.evidence.found_counter
    touch(decision, alarm)
    return alarm


cdef void raise_with_both(Tables tables, const ask_t* ask, uint8_t kind, const medium_record_t* medium,
                          decision_t* decision) noexcept nogil:
    """An alarm with both sightings: call it before this one changes the medium's record."""
    cdef alarm_record_t* alarm = raise_alarm(tables, ask, kind, medium.card_number, decision)
    if alarm == NULL:
        return
    alarm.first_terminal_id, alarm.first_store_id = medium.last_terminal_id, medium.last_store_id
    alarm.first_ms, alarm.first_counter = medium.last_ms, medium.counter


cdef void count_wrong_proof(Tables tables, const ask_t* ask, uint64_t card_number, decision_t* decision) noexcept nogil:
    """(F): the terminal's wrong proofs of this hour; too many of them stop it."""
    cdef terminal_record_t* terminal = tables.terminal(ask.terminal_id) if ask.terminal_id else NULL
    cdef uint32_t hour = <uint32_t>(ask.now_ms // MS_PER_HOUR)
    cdef alarm_record_t* alarm
    if terminal == NULL:
        return
    if terminal.fail_hour != hour:
        terminal.fail_hour, terminal.fails = hour, 0
    if terminal.fails < COUNT_MAX:
        terminal.fails += 1
    if terminal.fails >= TERMINAL_FAILS_MAX and terminal.status == TERMINAL_ACTIVE:
        terminal.status = TERMINAL_QUARANTINED
        decision.changes_place = True
        alarm = raise_alarm(tables, ask, ALARM_ENUMERATION, card_number, decision)
        if alarm != NULL:
            alarm.first_counter = terminal.fails
    touch(decision, terminal)


cdef inline uint8_t fails_of(const medium_record_t* medium, const ask_t* ask) noexcept nogil:
    """The medium's wrong proofs of this hour."""
    return medium.fails if medium.fail_hour == <uint32_t>(ask.now_ms // MS_PER_HOUR) else 0


cdef uint16_t card_unknown(Tables tables, const ask_t* ask, uint64_t card_number, bint is_quote,
                           decision_t* decision) noexcept nogil:
    if ask.evidence == NULL or card_number != 0:
        return CODE_CARD_UNKNOWN
    if not is_quote:
        count_wrong_proof(tables, ask, 0, decision)
    return CODE_MEDIUM_UNKNOWN


# ------------------------------------------------------------------------ the proof

cdef uint16_t judge(Tables tables, const ask_t* ask, card_record_t* card, const card_type_record_t* card_type,
                    int64_t amount_minor, bint is_quote, verdict_t* verdict, decision_t* decision) noexcept nogil:
    cdef const medium_policy_record_t* policy = NULL
    cdef const evidence_t* evidence = ask.evidence
    cdef uint32_t medium = MEDIUM_NUMBER if evidence == NULL else evidence.medium
    cdef bint travels = False
    cdef uint16_t code
    memset(verdict, 0, sizeof(verdict_t))
    if tables.medium_policies.array.count:
        policy = <const medium_policy_record_t*>tables.medium_policies.find(card_type.code)
    if policy != NULL:
        if evidence == NULL and policy.flags & POLICY_REQUIRED:
            return CODE_MEDIUM_REQUIRED
        if medium >= MEDIUM_BITS or not policy.media >> medium & 1:
            return CODE_MEDIUM_FORBIDDEN
    if evidence != NULL:
        verdict.medium = ask.medium if ask.medium != NULL else <medium_record_t*>tables.media.find(
            evidence.medium, evidence.found_medium_id, 0)
        code = check_proof(tables, ask, card, verdict.medium, is_quote, decision)
        if code == CODE_APPROVED:
            code = check_counter(tables, ask, card, verdict, is_quote, decision)
        if code == CODE_APPROVED and evidence.medium == MEDIUM_STRIPE and card.media >> MEDIUM_CHIP & 1:
            if not evidence.flags & EVIDENCE_FALLBACK or amount_minor > (
                    policy.fallback_minor_max if policy != NULL else 0):
                code = CODE_FALLBACK_FORBIDDEN
        if code != CODE_APPROVED:
            return code
        if not is_quote and not verdict.waits:
            travels = accept(tables, ask, policy, verdict, decision)
    if policy != NULL and is_above(amount_minor, minor_max(policy, evidence)):
        return CODE_MEDIUM_AMOUNT
    if not is_quote and not verdict.late:
        verdict.reason = reason_for_pin(ask, policy, verdict, amount_minor, travels)
    return CODE_APPROVED


cdef uint16_t check_proof(Tables tables, const ask_t* ask, const card_record_t* card, medium_record_t* medium,
                          bint is_quote, decision_t* decision) noexcept nogil:
    """Rows 3 to 7: what was found of the proof."""
    cdef const evidence_t* evidence = ask.evidence
    cdef uint8_t outcome = evidence.outcome
    if outcome == OUTCOME_MEDIUM_UNKNOWN or (
            medium.card_number != card.card_number if medium != NULL
            else outcome == OUTCOME_GENUINE or outcome == OUTCOME_STALE or outcome == OUTCOME_CHALLENGE):
        if not is_quote:
            count_wrong_proof(tables, ask, card.card_number, decision)
        return CODE_MEDIUM_UNKNOWN
    if medium != NULL and medium.state != MEDIUM_ACTIVE:
        return CODE_MEDIUM_REVOKED
    if not is_key_accepted(tables, evidence, medium):
        return CODE_KEY_VERSION
    if outcome == OUTCOME_CHALLENGE:
        return CODE_CHALLENGE_STALE
    if outcome == OUTCOME_STALE:
        return CODE_CODE_STALE
    if outcome == OUTCOME_GENUINE:
        return CODE_APPROVED
    if not is_quote:
        count_wrong_proof(tables, ask, card.card_number, decision)
        if medium != NULL:
            medium.fails = fails_of(medium, ask)
            medium.fail_hour = <uint32_t>(ask.now_ms // MS_PER_HOUR)
            if medium.fails < FAILS_MAX:
                medium.fails += 1
            touch(decision, medium)
    return CODE_PROOF_WRONG


cdef uint16_t check_counter(Tables tables, const ask_t* ask, const card_record_t* card, verdict_t* verdict,
                            bint is_quote, decision_t* decision) noexcept nogil:
    """Row 8: whether the proof is the next one of its medium, or one that may come late."""
    cdef const evidence_t* evidence = ask.evidence
    cdef const medium_record_t* medium = verdict.medium
    cdef int64_t ahead
    if evidence.medium == MEDIUM_STRIPE:
        if evidence.found_counter == medium.counter or (
                medium.pending_counter != 0 and evidence.found_counter == medium.pending_counter):
            return CODE_APPROVED
        return refuse_clone(tables, ask, card, medium, is_quote, decision)
    if evidence.medium != MEDIUM_CHIP:
        if evidence.found_counter > medium.counter:
            return CODE_APPROVED
        if not is_quote and ask.terminal_id != medium.last_terminal_id:
            raise_with_both(tables, ask, ALARM_CODE_REPLAY, medium, decision)
        return CODE_CODE_USED
    ahead = <int64_t>evidence.found_counter - <int64_t>medium.counter
    if ahead <= 0:
        if (evidence.flags & EVIDENCE_OFFLINE and -COUNTER_WINDOW_BITS <= ahead <= -1
                and not medium.window >> (-ahead - 1) & 1):
            verdict.late = True
            return CODE_APPROVED
        return refuse_clone(tables, ask, card, medium, is_quote, decision)
    if ahead > COUNTER_REFER_MAX:
        return CODE_COUNTER_JUMP
    if evidence.chain != medium.chain and evidence.chain != medium.chain_previous:
        return refuse_clone(tables, ask, card, medium, is_quote, decision)
    verdict.waits = ahead > COUNTER_STEP_MAX
    return CODE_APPROVED


cdef uint16_t refuse_clone(Tables tables, const ask_t* ask, const card_record_t* card, const medium_record_t* medium,
                           bint is_quote, decision_t* decision) noexcept nogil:
    """Two media have one identity: nobody can tell which is the copy, so the card stops."""
    cdef card_record_t frozen
    if not is_quote:
        frozen = card[0]
        frozen.status, frozen.frozen_by = CARD_FROZEN, 0
        keep_card(tables, &frozen, decision)
        raise_with_both(tables, ask, ALARM_CLONE, medium, decision)
    return CODE_CLONE


# ------------------------------------------------------------------------ acceptance

cdef bint accept(Tables tables, const ask_t* ask, const medium_policy_record_t* policy, const verdict_t* verdict,
                 decision_t* decision) noexcept nogil:
    """The medium's record takes the proof over. True when nobody can have travelled here that fast."""
    cdef const evidence_t* evidence = ask.evidence
    cdef medium_record_t* medium = verdict.medium
    cdef int64_t ahead = <int64_t>evidence.found_counter - <int64_t>medium.counter
    cdef bint travels
    touch(decision, medium)
    if verdict.late:
        medium.window |= <uint64_t>1 << (-ahead - 1)
        return False
    travels = is_too_fast(tables, ask, policy, medium)
    if travels:
        raise_with_both(tables, ask, ALARM_TRAVEL, medium, decision)
    count_use(medium, ask.now_ms)
    medium.last_ms, medium.last_terminal_id, medium.last_store_id = ask.now_ms, ask.terminal_id, ask.store_id
    medium.key_version = evidence.found_key_version
    if evidence.medium == MEDIUM_CHIP:
        medium.window = (medium.window << ahead if ahead < COUNTER_WINDOW_BITS else 0)
        if ahead <= COUNTER_WINDOW_BITS:
            medium.window |= <uint64_t>1 << (ahead - 1)      # the one that was the highest until now
        medium.counter = evidence.found_counter
        medium.chain_previous, medium.chain = evidence.chain, evidence.next
        decision.issuer_answer = evidence
    elif evidence.medium == MEDIUM_STRIPE:
        accept_stripe(ask, medium, decision)
    else:
        medium.counter = evidence.found_counter
    return travels


cdef void accept_stripe(const ask_t* ask, medium_record_t* medium, decision_t* decision) noexcept nogil:
    """The stripe has the counter that it showed; once a day it gets the next one, until that was read back."""
    cdef const evidence_t* evidence = ask.evidence
    medium.counter = evidence.found_counter
    if evidence.found_counter == medium.pending_counter:
        medium.pending_counter = 0
    if evidence.flags & EVIDENCE_CAN_WRITE and (medium.written_date != ask.today or medium.pending_counter != 0):
        medium.pending_counter, medium.written_date = evidence.next, ask.today
        decision.issuer_answer = evidence


cdef inline void count_use(medium_record_t* medium, int64_t now_ms) noexcept nogil:
    """Accepted proofs in the ten minutes and in the hour of now."""
    if medium.last_ms // MS_PER_10_MINUTES != now_ms // MS_PER_10_MINUTES:
        medium.count_10_minutes = 0
    if medium.last_ms // MS_PER_HOUR != now_ms // MS_PER_HOUR:
        medium.count_60_minutes = 0
    medium.count_10_minutes += medium.count_10_minutes < COUNT_MAX
    medium.count_60_minutes += medium.count_60_minutes < COUNT_MAX


cdef bint is_too_fast(Tables tables, const ask_t* ask, const medium_policy_record_t* policy,
                      const medium_record_t* medium) noexcept nogil:
    """Whether the medium was in another store less than the way's minutes ago."""
    cdef uint32_t there = medium.last_store_id, here = ask.store_id
    cdef const travel_record_t* way
    cdef int64_t minutes = 0
    if there == 0 or here == 0 or there == here:
        return False
    way = <const travel_record_t*>tables.travels.find(min(there, here), max(there, here), 0)
    if way != NULL:
        minutes = way.minutes
    elif policy != NULL:
        minutes = policy.travel_minutes
    return minutes != 0 and ask.now_ms - medium.last_ms < minutes * MS_PER_MINUTE


# ------------------------------------------------------------------------ PIN

cdef uint8_t reason_for_pin(const ask_t* ask, const medium_policy_record_t* policy, const verdict_t* verdict,
                            int64_t amount_minor, bint travels) noexcept nogil:
    """Row 11: the first reason to ask for a PIN; 0: none."""
    cdef const medium_record_t* medium = verdict.medium
    if medium != NULL:
        if fails_of(medium, ask) >= MEDIUM_FAILS_MAX:
            return REFER_FAILURES
        if verdict.waits:
            return REFER_COUNTER
        if policy != NULL:
            if policy.velocity_10_minutes_max and medium.count_10_minutes > policy.velocity_10_minutes_max:
                return REFER_VELOCITY
            if policy.velocity_60_minutes_max and medium.count_60_minutes > policy.velocity_60_minutes_max:
                return REFER_VELOCITY
        if travels:
            return REFER_TRAVEL
    if policy != NULL and is_above(amount_minor, pin_minor(policy, ask.evidence)):
        return REFER_AMOUNT
    return 0


cdef uint16_t check_pin_asked(Tables tables, const ask_t* ask, card_record_t* card,
                              const card_type_record_t* card_type, const uint8_t* pin, const verdict_t* verdict,
                              decision_t* decision) noexcept nogil:
    cdef uint16_t code
    if card.flags & CARD_FLAG_PIN_LOCKED:
        return CODE_PIN_LOCKED
    if pin == NULL or is_zero(pin) or is_zero(card.pin_hash):
        decision.reply.detail = verdict.reason
        return CODE_REFER
    code = check_pin(card, card_type, pin, decision)
    if code == CODE_APPROVED and verdict.waits:
        accept(tables, ask, <const medium_policy_record_t*>tables.medium_policies.find(card_type.code), verdict,
               decision)
    return code


cdef inline bint is_zero(const uint8_t* pin) noexcept nogil:
    return (<const uint64_t*>pin)[0] == 0 and (<const uint64_t*>pin)[1] == 0


# ------------------------------------------------------------------------ back to the medium

cdef void write_issuer_answer(decision_t* decision) noexcept nogil:
    cdef const evidence_t* evidence = decision.issuer_answer
    cdef issuer_answer_t* answer = <issuer_answer_t*>(decision.more + decision.more_bytes)
    if evidence == NULL:
        return
    memset(answer, 0, sizeof(issuer_answer_t))
    answer.medium, answer.command, answer.next = evidence.medium, evidence.command, evidence.next
    memcpy(answer.mac, evidence.answer, sizeof(answer.mac))
    decision.more_bytes += <uint32_t>sizeof(issuer_answer_t)
