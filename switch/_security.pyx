"""Security by message: media and what they may do, keys and their states, ways between stores, alarms.

Section 19 of docs/decision.md.  No key is ever opened here: whoever brought
the request wrapped the keys in it, and this copies the wrappings.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from switch._account cimport settle
from switch._decision cimport ask_t, decision_t, invalid, show_account, touch
from switch._evidence cimport purpose_of
from switch._layout cimport *
from switch._tables cimport Tables

cdef enum:
    FLAGS_ONE = 1                        # largest flags of a policy, a medium
    MEDIA_ALL = 31
    STATES_ACCEPTED = 1 << KEY_NEW | 1 << KEY_ACTIVE | 1 << KEY_VERIFY_ONLY

cdef uint64_t UID_END = <uint64_t>1 << 56        # a chip's and a tag's UID has 7 bytes
cdef uint64_t TOKEN_END = 100000000000           # a code's token has 11 digits


cdef inline bint is_zero(const uint8_t* at, uint32_t size_bytes) noexcept nogil:
    cdef uint32_t i
    for i in range(size_bytes):
        if at[i]:
            return False
    return True


cdef inline bint are_two_people(uint32_t operator_id, uint32_t approver_id) noexcept nogil:
    return operator_id != 0 and approver_id != 0 and operator_id != approver_id


# ------------------------------------------------------------------------ media

cdef uint16_t confirm_write(Tables tables, const ask_t* ask, const confirm_write_request_t* request,
                            decision_t* decision) noexcept nogil:
    """The stripe was read back: from now on it has the counter that was given out."""
    cdef reply_t* reply = &decision.reply
    cdef account_record_t* account = NULL
    cdef const card_record_t* card = tables.card(request.card_number, &account)
    cdef const card_type_record_t* card_type = NULL if card == NULL else tables.card_type(card.card_type, ask.today)
    cdef uint16_t code = CODE_CARD_UNKNOWN
    if card_type != NULL:
        if account != NULL:
            settle(tables, ask, card_type, account, decision)
        code = confirm_counter(tables, request, decision)
    if account != NULL:
        show_account(reply, account)
    return code


cdef uint16_t confirm_counter(Tables tables, const confirm_write_request_t* request,
                              decision_t* decision) noexcept nogil:
    cdef medium_record_t* medium = <medium_record_t*>tables.media.find(MEDIUM_STRIPE, request.card_number, 0)
    if medium == NULL:
        return CODE_MEDIUM_UNKNOWN
    if medium.state != MEDIUM_ACTIVE:
        return CODE_MEDIUM_REVOKED
    if medium.pending_counter != 0 and request.counter == medium.pending_counter:
        medium.counter, medium.pending_counter = request.counter, 0
        touch(decision, medium)
        return CODE_APPROVED
    return CODE_APPROVED if request.counter == medium.counter else invalid(&decision.reply, 24)


cdef inline bint is_accepted(Tables tables, uint8_t medium, uint8_t key_version) noexcept nogil:
    """Whether what is made with the key version passes."""
    cdef const key_record_t* key = tables.key(purpose_of(medium), key_version)
    return key != NULL and STATES_ACCEPTED >> key.state & 1


cdef inline bint is_number_of(const put_medium_request_t* request) noexcept nogil:
    """Whether the medium's number can be one of its kind."""
    if request.medium == MEDIUM_STRIPE:
        return request.medium_id != 0 and request.medium_id == request.card_number
    return 0 < request.medium_id < (TOKEN_END if request.medium == MEDIUM_CODE else UID_END)


cdef uint16_t check_medium(Tables tables, const put_medium_request_t* request, reply_t* reply) noexcept nogil:
    """Fields, and the keys that they name."""
    cdef bint is_chip = request.medium == MEDIUM_CHIP
    if request.medium < MEDIUM_CHIP or request.medium > MEDIUM_TAG:
        return invalid(reply, 32)
    if request.state != MEDIUM_ACTIVE and request.state != MEDIUM_REVOKED:
        return invalid(reply, 33)
    if request.key_version == 0:
        return invalid(reply, 34)
    if request.key_version_held != request.key_version and not (
            is_chip and request.key_version_held > request.key_version):
        return invalid(reply, 35)
    if request.flags > FLAGS_ONE or (request.flags & MEDIUM_FLAG_STORED_KEY and not is_chip
                                     and request.medium != MEDIUM_CODE):
        return invalid(reply, 36)
    if not is_number_of(request):
        return invalid(reply, 24)
    # What is revoked is asked for no proof any more: its key may have gone before it.
    if request.state == MEDIUM_ACTIVE and not request.flags & MEDIUM_FLAG_STORED_KEY and not (
            is_accepted(tables, request.medium, request.key_version)
            and is_accepted(tables, request.medium, request.key_version_held)):
        return CODE_KEY_UNKNOWN
    return CODE_APPROVED


cdef bint has_active_medium(Tables tables, uint64_t card_number, uint64_t kind) noexcept nogil:
    """Whether a card has a medium of a kind that may pay: a second chip goes on where the first was lost."""
    cdef const medium_record_t* medium = <const medium_record_t*>tables.media.first_of(card_number)
    while medium != NULL and not (medium.medium == kind and medium.state == MEDIUM_ACTIVE):
        medium = <const medium_record_t*>tables.media.next_of(<const uint8_t*>medium)
    return medium != NULL


cdef uint16_t put_medium(Tables tables, const ask_t* ask, const put_medium_request_t* request,
                         decision_t* decision) noexcept nogil:
    """Enrol a medium, change what is expected of it, or revoke it."""
    cdef reply_t* reply = &decision.reply
    cdef account_record_t* account = NULL
    cdef card_record_t* card
    cdef medium_record_t* medium
    cdef card_key_record_t* key = NULL
    cdef uint8_t media
    cdef bint is_new
    cdef bint has_key = request.flags & MEDIUM_FLAG_STORED_KEY and not is_zero(request.key, sizeof(request.key))
    cdef uint16_t code = check_medium(tables, request, reply)
    if code != CODE_APPROVED:
        return code
    card = tables.card(request.card_number, &account)
    if card == NULL or tables.card_type(card.card_type, ask.today) == NULL:
        return CODE_CARD_UNKNOWN
    medium = <medium_record_t*>tables.media.find(request.medium, request.medium_id, 0)
    if medium != NULL and (medium.card_number != request.card_number or medium.state != MEDIUM_ACTIVE):
        return CODE_MEDIUM_EXISTS
    if has_key:
        key = <card_key_record_t*>tables.card_keys.find(request.medium, request.medium_id, request.key_version)
    if (medium == NULL and not tables.media.room(1)) or (has_key and key == NULL and not tables.card_keys.room(1)):
        return CODE_TABLE_FULL
    # From here on it must succeed.
    is_new = medium == NULL
    if is_new:
        medium = <medium_record_t*>tables.media.make(request.medium, request.medium_id, 0)
    memset(<uint8_t*>medium, 0, sizeof(medium_record_t))
    medium.kind, medium.version, medium.state = KIND_MEDIUM, 1, request.state
    medium.medium, medium.medium_id, medium.card_number = request.medium, request.medium_id, request.card_number
    medium.key_version, medium.key_version_held = request.key_version, request.key_version_held
    medium.flags, medium.counter, medium.chain = request.flags, request.counter, request.chain
    if is_new:
        tables.media.own(<uint8_t*>medium)
    touch(decision, medium)
    media = card.media & ~<uint8_t>(1 << request.medium)
    if has_active_medium(tables, request.card_number, request.medium):
        media |= <uint8_t>(1 << request.medium)
    if card.media != media:
        card.media = media
        touch(decision, card)
    if has_key:
        if key == NULL:
            key = <card_key_record_t*>tables.card_keys.make(request.medium, request.medium_id, request.key_version)
        key.storage_version = request.storage_version
        memcpy(key.wrapped_key, request.key, sizeof(key.wrapped_key))
        touch(decision, key)
    if account != NULL:
        show_account(reply, account)
    return CODE_APPROVED


cdef uint16_t put_medium_policy(Tables tables, const ask_t* ask, const put_medium_policy_request_t* request,
                                decision_t* decision) noexcept nogil:
    cdef reply_t* reply = &decision.reply
    cdef medium_policy_record_t record
    if not tables.type_exists(request.code):
        return CODE_CARD_TYPE_UNKNOWN
    if request.flags > FLAGS_ONE:
        return invalid(reply, 18)
    if request.media > MEDIA_ALL:
        return invalid(reply, 19)
    if not are_two_people(request.operator_id, request.approver_id):
        return CODE_SAME_PERSON
    memset(&record, 0, sizeof(record))
    record.kind, record.version, record.code = KIND_MEDIUM_POLICY, 1, request.code
    record.flags, record.media, record.travel_minutes = request.flags, request.media, request.travel_minutes
    record.velocity_10_minutes_max = request.velocity_10_minutes_max
    record.velocity_60_minutes_max = request.velocity_60_minutes_max
    record.number_minor_max, record.chip_minor_max = request.number_minor_max, request.chip_minor_max
    record.contactless_minor_max, record.code_minor_max = request.contactless_minor_max, request.code_minor_max
    record.stripe_minor_max, record.tag_minor_max = request.stripe_minor_max, request.tag_minor_max
    record.fallback_minor_max = request.fallback_minor_max
    record.number_pin_minor, record.chip_pin_minor = request.number_pin_minor, request.chip_pin_minor
    record.contactless_pin_minor, record.code_pin_minor = request.contactless_pin_minor, request.code_pin_minor
    record.stripe_pin_minor, record.tag_pin_minor = request.stripe_pin_minor, request.tag_pin_minor
    record.operator_id, record.approver_id = request.operator_id, request.approver_id
    if tables.put(<const uint8_t*>&record) != 0:
        return CODE_TABLE_FULL
    touch(decision, tables.medium_policies.find(request.code))
    return CODE_APPROVED


# ------------------------------------------------------------------------ keys

cdef inline bint may_become(uint8_t state, uint8_t next_state) noexcept nogil:
    """Life of a key version: the same as in the keyring that it comes from, so that neither goes ahead alone."""
    if state == KEY_NEW or state == KEY_VERIFY_ONLY:
        return next_state == KEY_ACTIVE or next_state == KEY_RETIRED
    if state == KEY_ACTIVE:
        return next_state == KEY_VERIFY_ONLY
    return state == KEY_RETIRED and next_state == KEY_DESTROYED


cdef bint wraps_something(Tables tables, uint8_t storage_version) noexcept nogil:
    """Whether any record's keys are wrapped with the version. Looks at all of them: a storage key seldom retires."""
    cdef const terminal_record_t* terminal = <const terminal_record_t*>tables.terminals.array.records
    cdef const card_key_record_t* key = <const card_key_record_t*>tables.card_keys.places
    cdef uint32_t i
    for i in range(tables.terminals.array.count):
        if terminal[i].storage_version == storage_version:
            return True
    for i in range(tables.card_keys.used):
        if key[i].storage_version == storage_version and key[i].state != GONE:
            return True
    return False


cdef void change_state(const ask_t* ask, const put_key_request_t* request, key_record_t* key, uint8_t state,
                       decision_t* decision) noexcept nogil:
    key.state, key.changed_date = state, ask.today
    key.operator_id, key.approver_id = request.operator_id, request.approver_id
    touch(decision, key)


cdef uint16_t put_key(Tables tables, const ask_t* ask, const put_key_request_t* request,
                      decision_t* decision) noexcept nogil:
    """A new version of a key, or the next step in the life of one."""
    cdef reply_t* reply = &decision.reply
    cdef key_record_t* key
    cdef key_record_t* before
    cdef uint32_t key_version
    if request.purpose < PURPOSE_STORAGE or request.purpose > PURPOSE_TAG:
        return invalid(reply, 16)
    if request.key_version == 0:
        return invalid(reply, 17)
    if request.state < KEY_NEW or request.state > KEY_DESTROYED:
        return invalid(reply, 18)
    if not are_two_people(request.operator_id, request.approver_id):
        return CODE_SAME_PERSON
    key = tables.key(request.purpose, request.key_version)
    if key == NULL:
        if request.state != KEY_NEW:
            return CODE_KEY_UNKNOWN
        key = <key_record_t*>tables.keys.make(request.purpose, request.key_version, 0)
        if key == NULL:
            return CODE_TABLE_FULL
        memcpy(key.check_value, request.check_value, sizeof(key.check_value))
        change_state(ask, request, key, KEY_NEW, decision)
        return CODE_APPROVED
    if memcmp(key.check_value, request.check_value, sizeof(key.check_value)) != 0:
        return invalid(reply, 24)
    if key.state == request.state:
        return CODE_DONE_BEFORE
    if not may_become(key.state, request.state):
        reply.detail = key.state
        return CODE_KEY_STATE
    if request.purpose == PURPOSE_STORAGE and request.state == KEY_RETIRED and wraps_something(
            tables, request.key_version):
        return CODE_KEY_IN_USE
    if request.state == KEY_ACTIVE:
        for key_version in range(1, KEY_VERSION_MAX + 1):
            before = tables.key(request.purpose, key_version)
            if before != NULL and before.state == KEY_ACTIVE:
                change_state(ask, request, before, KEY_VERIFY_ONLY, decision)
    change_state(ask, request, key, request.state, decision)
    return CODE_APPROVED


cdef inline uint16_t reseal_pin(Tables tables, const rewrap_key_request_t* request,
                                decision_t* decision) noexcept nogil:
    cdef account_record_t* _account = NULL
    cdef card_record_t* card = tables.card(request.key_a, &_account)
    if card == NULL:
        return CODE_CARD_UNKNOWN
    if card.pin_key_version == 0 or card.pin_key_version == request.storage_version:
        return CODE_DONE_BEFORE
    card.pin_key_version = request.storage_version
    memcpy(card.pin_hash, request.wrapped, sizeof(card.pin_hash))
    touch(decision, card)
    return CODE_APPROVED


cdef uint16_t rewrap_key(Tables tables, const ask_t* ask, const rewrap_key_request_t* request,
                         decision_t* decision) noexcept nogil:
    """The keys of one record, or a card's sealed PIN, wrapped anew; what they are stays."""
    cdef uint32_t purpose = PURPOSE_PIN if request.kind == KIND_CARD else PURPOSE_STORAGE
    cdef const key_record_t* wrapping = tables.key(purpose, request.storage_version)
    cdef terminal_record_t* terminal
    cdef card_key_record_t* key
    if request.kind != KIND_TERMINAL and request.kind != KIND_CARD_KEY and request.kind != KIND_CARD:
        return invalid(&decision.reply, 16)
    if wrapping == NULL:
        return CODE_KEY_UNKNOWN
    if wrapping.state != KEY_ACTIVE:
        decision.reply.detail = wrapping.state
        return CODE_KEY_STATE
    if request.kind == KIND_CARD:
        return reseal_pin(tables, request, decision)
    if request.kind == KIND_TERMINAL:
        terminal = <terminal_record_t*>tables.terminals.find(request.key_a)
        if terminal == NULL:
            return CODE_TERMINAL_UNKNOWN
        if terminal.storage_version == request.storage_version:
            return CODE_DONE_BEFORE
        terminal.storage_version = request.storage_version
        memcpy(terminal.wrapped_key, request.wrapped, sizeof(terminal.wrapped_key))
        memcpy(terminal.wrapped_next, request.wrapped + sizeof(terminal.wrapped_key), sizeof(terminal.wrapped_next))
        touch(decision, terminal)
        return CODE_APPROVED
    key = <card_key_record_t*>tables.card_keys.find(request.key_a, request.key_b, request.key_c)
    if key == NULL:
        return CODE_MEDIUM_UNKNOWN
    if key.storage_version == request.storage_version:
        return CODE_DONE_BEFORE
    key.storage_version = request.storage_version
    memcpy(key.wrapped_key, request.wrapped, sizeof(key.wrapped_key))
    touch(decision, key)
    return CODE_APPROVED


cdef uint16_t change_key(Tables tables, const ask_t* ask, const change_key_request_t* request,
                         decision_t* decision) noexcept nogil:
    """A terminal goes over to another key: both are accepted, until a session of the new one says that it is in use."""
    cdef terminal_record_t* terminal = tables.terminal(ask.terminal_id)
    if request.confirm > 1:
        return invalid(&decision.reply, 16)
    if terminal == NULL:
        return CODE_TERMINAL_UNKNOWN             # the switch itself, or init: no session has such a number
    if request.confirm and not is_zero(request.key, sizeof(request.key)):
        return invalid(&decision.reply, 24)
    if not request.confirm:
        memcpy(terminal.wrapped_next, request.key, sizeof(terminal.wrapped_next))
    elif is_zero(terminal.wrapped_next, sizeof(terminal.wrapped_next)):
        return CODE_CHANGED_KEY
    else:
        memcpy(terminal.wrapped_key, terminal.wrapped_next, sizeof(terminal.wrapped_key))
        memset(terminal.wrapped_next, 0, sizeof(terminal.wrapped_next))
        terminal.key_version += 1
        terminal.flags &= ~TERMINAL_FLAG_RENEW_KEY
    touch(decision, terminal)
    return CODE_APPROVED


# ------------------------------------------------------------------------ ways, alarms

cdef uint16_t put_travel(Tables tables, const ask_t* ask, const put_travel_request_t* request,
                         decision_t* decision) noexcept nogil:
    cdef uint32_t first = min(request.store_id, request.other_store_id)
    cdef uint32_t second = max(request.store_id, request.other_store_id)
    cdef travel_record_t* way
    if tables.store(request.store_id) == NULL or tables.store(request.other_store_id) == NULL:
        return CODE_STORE_UNKNOWN
    if first == second:
        return invalid(&decision.reply, 20)
    way = <travel_record_t*>tables.travels.find(first, second, 0)
    if way == NULL:
        way = <travel_record_t*>tables.travels.make(first, second, 0)
    if way == NULL:
        return CODE_TABLE_FULL
    way.minutes = request.minutes
    touch(decision, way)
    return CODE_APPROVED


cdef uint16_t handle_alarm(Tables tables, const ask_t* ask, const handle_alarm_request_t* request,
                           decision_t* decision) noexcept nogil:
    cdef reply_t* reply = &decision.reply
    cdef alarm_record_t* alarm = <alarm_record_t*>tables.alarms.find(request.alarm, 0, 0)
    if alarm == NULL:
        return CODE_ALARM_UNKNOWN
    if request.state < ALARM_STATE_ACKNOWLEDGED or request.state > ALARM_STATE_CONFIRMED:
        return invalid(reply, 24)
    if request.operator_id == 0:
        return invalid(reply, 28)
    if alarm.state != ALARM_STATE_NEW and not (
            alarm.state == ALARM_STATE_ACKNOWLEDGED and request.state != ALARM_STATE_ACKNOWLEDGED):
        reply.detail = alarm.state
        return CODE_ALARM_STATE
    alarm.state, alarm.operator_id = request.state, request.operator_id
    touch(decision, alarm)
    return CODE_APPROVED
