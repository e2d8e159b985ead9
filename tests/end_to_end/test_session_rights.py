"""A terminal does what its rights permit and nothing else: every message type with every combination of rights."""

import pytest

from switch.protocol.codes import ResponseCode
from switch.protocol.messages import KEYED_TYPES, RIGHT_NEEDED, MessageType, RechargeChannel, Reply, Right
from tests.fuzz.peer import Answer
from tests.fuzz.running import CARD, STORE, Watch, running_switch
from tests.fuzz.samples import SENDABLE_TYPES, sample
from tests.support.key_samples import decided_sample

# Written out once more from docs/protocol.md, section 7, so that a slip in the product's own table is seen.
NEEDED = {
    Right.PAY: {
        MessageType.DEBIT,
        MessageType.REVERSAL,
        MessageType.BALANCE,
        MessageType.HOLD,
        MessageType.CAPTURE,
        MessageType.RELEASE,
        MessageType.REFUND,
        MessageType.QUOTE,
        MessageType.CARD_QUERY,
        MessageType.REDEEM,
        MessageType.CONVERT,
        MessageType.DAY_TOTALS,
        MessageType.DAY_DIGESTS,
        MessageType.DAY_LIST,
        MessageType.CONFIRM_WRITE,
    },
    Right.CREDIT: {MessageType.CREDIT, MessageType.TRANSFER, MessageType.LOAD_VISITS},
    Right.CONFIGURE: {
        MessageType.PUT_CARD_TYPE,
        MessageType.PUT_STORE,
        MessageType.PUT_TERMINAL,
        MessageType.OPEN_CARD,
        MessageType.SET_TYPE_STATE,
        MessageType.PUT_ORGANISATION,
        MessageType.PUT_POINTS_CATEGORY,
        MessageType.PUT_GIFT,
        MessageType.PUT_RULE,
        MessageType.ACTIVATE_RULES,
        MessageType.PUT_PRICE,
        MessageType.PUT_ALLOWED,
        MessageType.CUT_OVER,
    },
    Right.FOLLOW: {MessageType.FOLLOW, MessageType.STATISTICS, MessageType.READ_RECORDS, MessageType.SIGNED_ON},
    Right.CARDS: {
        MessageType.ADJUST_POINTS,
        MessageType.TRANSFER_POINTS,
        MessageType.BACKFILL,
        MessageType.OPERATE_CARD,
        MessageType.SET_PIN,
        MessageType.SET_CARD,
        MessageType.PUT_MEDIUM,
    },
    Right.SECURITY: {
        MessageType.PUT_MEDIUM_POLICY,
        MessageType.PUT_KEY,
        MessageType.PUT_TRAVEL,
        MessageType.HANDLE_ALARM,
        MessageType.REWRAP_KEY,
    },
}
INQUIRIES = {
    MessageType.BALANCE,
    MessageType.QUOTE,
    MessageType.CARD_QUERY,
    MessageType.DAY_DIGESTS,
    MessageType.DAY_LIST,
    *NEEDED[Right.FOLLOW],
}
FREE = {MessageType.SIGN_OFF, MessageType.ECHO, MessageType.CHANGE_KEY}
ALL_RIGHTS = 63


@pytest.fixture(scope="module")
def switch(tmp_path_factory):
    with running_switch(tmp_path_factory.mktemp("switch")) as switch:
        yield switch


@pytest.fixture(autouse=True)
def _the_neighbour_keeps_working(switch):
    yield
    switch.neighbour.check()


def permitted(type_, rights):
    return type_ in FREE or any(type_ in types for right, types in NEEDED.items() if rights & right)


def test_the_table_of_the_document_is_that_of_the_product():
    needed = {type_: right for type_, right in RIGHT_NEEDED.items() if right}

    assert {type_: right for right, types in NEEDED.items() for type_ in types} == needed


@pytest.mark.parametrize("rights", range(ALL_RIGHTS + 1))
def test_what_is_permitted_works_and_all_else_is_refused_as_not_permitted(switch, rights):
    credentials = switch.new_terminal(rights)
    with switch.signed_on(credentials) as peer:
        assert peer.terms.rights == rights
        watch = Watch(switch)
        messages = [(type_, decided_sample(peer, type_)) for type_ in SENDABLE_TYPES if type_ != MessageType.SIGN_OFF]

        answers: dict[MessageType, Answer] = {type_: peer.ask(type_, body) for type_, body in messages}
        answers[MessageType.SIGN_OFF] = peer.ask(MessageType.SIGN_OFF)

    refused = {type_ for type_, answer in answers.items() if answer.code == ResponseCode.NOT_PERMITTED}
    assert refused == {type_ for type_ in answers if not permitted(type_, rights)}
    journaled = {MessageType(entry.request_type) for entry in watch.entries()}
    keyed = {*answers} & KEYED_TYPES
    assert journaled == {type_ for type_ in keyed if permitted(type_, rights)}
    assert watch.moved().get("code_not_permitted", 0) == len(refused)


@pytest.mark.parametrize("type_", sorted(NEEDED[Right.FOLLOW]), ids=lambda type_: type_.name)
def test_a_follower_without_the_right_is_counted(switch, type_):
    with switch.signed_on(switch.new_terminal(0)) as peer:
        watch = Watch(switch)

        assert peer.ask(type_, sample(peer, type_)).code == ResponseCode.NOT_PERMITTED

        assert watch.moved().get("code_not_permitted") == 1


@pytest.mark.parametrize("type_", sorted({*RIGHT_NEEDED} - FREE), ids=lambda type_: type_.name)
def test_a_refusal_for_lack_of_right_carries_the_trace_number_and_the_date_and_nothing_else(switch, type_):
    with switch.signed_on(switch.new_terminal(0)) as peer:
        body = sample(peer, type_)
        has_key = type_ not in INQUIRIES

        reply = peer.ask(type_, body).reply

        trace_number = int.from_bytes(body[:4], "little") if has_key else 0
        date = peer.terms.business_date
        assert reply == Reply(code=ResponseCode.NOT_PERMITTED, trace_number=trace_number, business_date=date)


def test_an_opening_balance_needs_the_right_to_configure_too(switch):
    codes = {}
    for rights in (Right.CREDIT, Right.CONFIGURE, Right.CREDIT | Right.CONFIGURE):
        with switch.signed_on(switch.new_terminal(rights)) as peer:
            opening = {"card_number": CARD, "amount_minor": 1, "channel": RechargeChannel.OPENING}
            codes[rights] = peer.do(MessageType.CREDIT, **opening).code

    assert codes == {
        Right.CREDIT: ResponseCode.NOT_PERMITTED,
        Right.CONFIGURE: ResponseCode.NOT_PERMITTED,
        Right.CREDIT | Right.CONFIGURE: ResponseCode.APPROVED,
    }


def change_rights(switch, credentials, rights):
    """Zeros in place of a key: the terminal keeps the one it has, and with it its sessions."""
    fields = {"terminal_id": credentials.terminal_id, "store_id": STORE, "rights": rights, "key": bytes(40)}
    assert switch.desk.do(MessageType.PUT_TERMINAL, **fields).code == ResponseCode.APPROVED


def test_rights_that_an_operator_changes_hold_from_the_next_message_on(switch):
    credentials = switch.new_terminal(Right.PAY)
    with switch.signed_on(credentials) as peer:
        body = sample(peer, MessageType.DEBIT)
        codes = []

        change_rights(switch, credentials, Right.CREDIT)
        codes.append(peer.ask(MessageType.DEBIT, body).code)
        codes.append(peer.ask(MessageType.CREDIT, sample(peer, MessageType.CREDIT)).code)
        change_rights(switch, credentials, Right.PAY)
        codes.append(peer.ask(MessageType.DEBIT, body).code)

        assert codes == [ResponseCode.NOT_PERMITTED, ResponseCode.APPROVED, ResponseCode.APPROVED]


@pytest.mark.parametrize("rights", [64, 65, 255, 256, 2**31, 2**32 - 1])
def test_rights_that_do_not_exist_cannot_be_given(switch, rights):
    with switch.signed_on() as peer:
        fields = {"terminal_id": 9_002, "store_id": 0, "rights": rights, "key": b"k" * 32 + bytes(8)}

        reply = peer.do(MessageType.PUT_TERMINAL, **fields)

        assert (reply.code, reply.detail) == (ResponseCode.FIELD_INVALID, 24)
