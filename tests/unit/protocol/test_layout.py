"""Layouts and limits, as far as plain Python can judge them; C's own sizes are compared where there is a compiler."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switch.protocol import heads, limits, messages, records
from switch.protocol.codes import MEANINGS, PRECEDENCE, CodeClass, ResponseCode, code_class
from switch.protocol.declarations import packed_classes
from switch.protocol.layout import LayoutError, Packed, layout_of
from switch.protocol.messages import (
    KEYED_TYPES,
    REPLY_BIT,
    REQUESTS,
    RESERVED_TYPES,
    RIGHT_NEEDED,
    BackfillRequest,
    BillLine,
    DayTotal,
    DayTotalsRequest,
    DebitFlag,
    DebitRequest,
    FollowReply,
    MessageType,
    RefundLine,
    RefundRequest,
    Reply,
    SignOnHeader,
    Tender,
)
from switch.protocol.records import (
    FIRST_WIDE_KEY_KIND,
    HASHED_HEADER_BYTES,
    RECORD_BYTES_MAX,
    RECORDS,
    BlockHeader,
    EntryHeader,
    MarkRecord,
    StoreRecord,
    images_of,
    record_bytes,
    record_key,
)

CLASSES = [*packed_classes(messages), *packed_classes(records), *packed_classes(heads)]
FIXED = [cls for cls in CLASSES if not cls.trailing]

WIDTHS = {
    "SignOnHeader": 12,
    "SignOnAnswer": 8,
    "SignOnTerms": 32,
    "Header": 8,
    "LineResult": 24,
    "PurseFact": 16,
    "CardFacts": 72,
    "RangeResult": 4,
    "Reply": 104,
    "ErrorReply": 16,
    "SignOffRequest": 0,
    "EchoRequest": 8,
    "EchoReply": 24,
    "BillLine": 32,
    "Tender": 16,
    "DebitRequest": 40,
    "RefundLine": 16,
    "RefundRequest": 48,
    "ReversalRequest": 48,
    "CreditRequest": 64,
    "HoldRequest": 56,
    "CaptureRequest": 48,
    "ReleaseRequest": 32,
    "TransferRequest": 40,
    "BalanceRequest": 16,
    "CardQueryRequest": 16,
    "RedeemRequest": 40,
    "ConvertRequest": 40,
    "AdjustPointsRequest": 64,
    "TransferPointsRequest": 48,
    "BackfillRequest": 56,
    "LoadVisitsRequest": 48,
    "DayTotal": 16,
    "DayTotalsRequest": 24,
    "DayRow": 24,
    "DayDigestsRequest": 24,
    "DayDigest": 24,
    "DayReply": 8,
    "DayListRequest": 24,
    "OpenCardRequest": 40,
    "OperateCardRequest": 80,
    "SetPinRequest": 64,
    "SetCardRequest": 88,
    "PutCardTypeRequest": 252,
    "SetTypeStateRequest": 24,
    "PutAllowedRequest": 24,
    "PutOrganisationRequest": 72,
    "PutStoreRequest": 32,
    "PutTerminalRequest": 72,
    "PutSwitchRequest": 56,
    "CutOverRequest": 24,
    "PutPointsCategoryRequest": 64,
    "PutGiftRequest": 80,
    "PutRuleRequest": 112,
    "ActivateRulesRequest": 32,
    "PutPriceRequest": 40,
    "Evidence": 88,
    "IssuerAnswer": 16,
    "ConfirmWriteRequest": 32,
    "PutMediumRequest": 80,
    "PutMediumPolicyRequest": 92,
    "PutKeyRequest": 40,
    "PutTravelRequest": 32,
    "HandleAlarmRequest": 32,
    "RewrapKeyRequest": 128,
    "ChangeKeyRequest": 64,
    "FollowRequest": 16,
    "FollowReply": 32,
    "StatisticsRequest": 0,
    "ReadRecordsRequest": 32,
    "ReadRecordsReply": 8,
    "SignedOnRequest": 16,
    "SignedOnRow": 64,
    "SignedOnReply": 8,
    "AccountRecord": 128,
    "CardRecord": 128,
    "CardLimitRecord": 128,
    "PurseRecord": 64,
    "HoldRecord": 128,
    "PendingPointsRecord": 64,
    "MarkRecord": 64,
    "DayCloseRecord": 64,
    "CardTypeRecord": 256,
    "TypeStateRecord": 64,
    "StoreRecord": 64,
    "TerminalRecord": 128,
    "SwitchRecord": 64,
    "OrganisationRecord": 64,
    "PointsCategoryRecord": 64,
    "GiftRecord": 128,
    "RulesetRecord": 64,
    "RuleRecord": 128,
    "PriceRecord": 64,
    "MediumPolicyRecord": 128,
    "MediumRecord": 128,
    "KeyRecord": 64,
    "TravelRecord": 64,
    "AlarmRecord": 128,
    "CardKeyRecord": 64,
    "EntryHeader": 48,
    "BlockHeader": 128,
    "SignedHead": 256,
}


few = settings(max_examples=25)  # of each of some hundred classes


def values_of(cls):
    """Strategy: any values that a class can hold, reserved fields zero."""
    fields = {}
    for field in layout_of(cls).fields:
        width, form = field.wire.width_bytes, field.wire.format
        if field.name.startswith("reserved"):
            fields[field.name] = st.just(bytes(width) if form.endswith("s") else 0)
        elif form.endswith("s"):
            fields[field.name] = st.binary(min_size=width, max_size=width)
        elif form.islower():
            fields[field.name] = st.integers(-(2 ** (8 * width - 1)), 2 ** (8 * width - 1) - 1)
        else:
            fields[field.name] = st.integers(0, 2 ** (8 * width) - 1)
    return st.builds(cls, **fields)


def test_no_layout_has_changed_its_length():
    assert {cls.__name__: layout_of(cls).width_bytes for cls in CLASSES} == WIDTHS


@pytest.mark.parametrize("cls", CLASSES)
def test_fields_lie_side_by_side_and_whole_numbers_are_aligned(cls):
    """Aligned within the struct, so that C reads them in one instruction on every machine (bodies begin at 8)."""
    end = 0
    for field in layout_of(cls).fields:
        assert field.offset == end
        assert field.wire.format.endswith("s") or field.offset % min(field.wire.width_bytes, 8) == 0
        end += field.wire.width_bytes
    assert end == layout_of(cls).width_bytes


@pytest.mark.parametrize("cls", FIXED)
@few
@given(data=st.data())
def test_what_was_encoded_is_decoded_again(cls, data):
    value = data.draw(values_of(cls))

    encoded = value.encode()

    assert cls.decode(encoded) == value
    assert cls.decode(memoryview(encoded)) == value
    assert len(encoded) == WIDTHS[cls.__name__]


def with_fields(value, **fields):
    """The same struct with other values in some of its fields."""
    return type(value)(**{name: getattr(value, name) for name in value.__struct_fields__} | fields)


@few
@given(
    fixed=values_of(DebitRequest),
    lines=st.lists(values_of(BillLine), max_size=255),
    tenders=st.lists(values_of(Tender), max_size=8),
    pin=st.binary(min_size=16, max_size=16),
)
def test_a_debit_keeps_its_lines_tenders_and_pin_and_counts_them(fixed, lines, tenders, pin):
    pin = pin if fixed.flags & DebitFlag.PIN else b""
    request = with_fields(fixed, lines=tuple(lines), tenders=tuple(tenders), pin=pin)

    encoded = request.encode()
    decoded = DebitRequest.decode(encoded)

    assert (decoded.lines, decoded.tenders, decoded.pin) == (request.lines, request.tenders, pin)
    assert decoded.line_count == encoded[32] == len(lines)
    assert decoded.tender_count == encoded[34] == len(tenders)
    assert len(encoded) == 40 + 32 * len(lines) + 16 * len(tenders) + len(pin)


@pytest.mark.parametrize(
    ("cls", "row", "rows_field", "count_field", "most"),
    [
        (RefundRequest, RefundLine, "lines", "line_count", 255),
        (BackfillRequest, BillLine, "lines", "line_count", 255),
        (DayTotalsRequest, DayTotal, "totals", "total_count", 32),
    ],
)
@few
@given(data=st.data())
def test_a_request_with_rows_keeps_and_counts_them(cls, row, rows_field, count_field, most, data):
    rows = tuple(data.draw(st.lists(values_of(row), max_size=most)))
    request = with_fields(data.draw(values_of(cls)), **{rows_field: rows})

    encoded = request.encode()
    decoded = cls.decode(encoded)

    assert getattr(decoded, rows_field) == rows
    assert getattr(decoded, count_field) == len(rows)
    assert len(encoded) == WIDTHS[cls.__name__] + len(rows) * WIDTHS[row.__name__]
    with pytest.raises(LayoutError):
        cls.decode(encoded + b"x")


@few
@given(fixed=values_of(FollowReply), journal_bytes=st.binary(max_size=200))
def test_a_follow_reply_keeps_its_journal_bytes(fixed, journal_bytes):
    fields = {name: getattr(fixed, name) for name in fixed.__struct_fields__} | {"journal_bytes": journal_bytes}
    reply = FollowReply(**fields)

    assert FollowReply.decode(reply.encode()) == reply


def test_a_debit_has_the_bytes_that_a_reader_of_the_document_would_write():
    line = BillLine(
        item=1, amount_minor=-2, quantity_milli=-3, department=4, category=5, brand=6, till_discount_minor=-7
    )
    request = DebitRequest(
        trace_number=8, business_date=9, stamp_ms=-10, card_number=11, amount_minor=12, entry_mode=13, lines=(line,)
    )

    by_hand = struct.pack("<IIqQqBB6x", 8, 9, -10, 11, 12, 1, 13) + struct.pack("<QqiHHHHi", 1, -2, -3, 4, 5, 6, 0, -7)
    assert request.encode() == by_hand


@pytest.mark.parametrize("cls", [cls for cls in FIXED if layout_of(cls).fields])
@pytest.mark.parametrize("change", [-1, 1])
def test_another_length_is_refused_with_both_lengths_named(cls, change):
    width = layout_of(cls).width_bytes

    with pytest.raises(LayoutError, match=f"{cls.__name__} length at offset 0: expected {width}, got {width + change}"):
        cls.decode(bytes(width + change))


@pytest.mark.parametrize(("body_bytes", "expected"), [(39, 40), (41, 40), (71, 40), (0, 40)])
def test_a_debit_whose_length_does_not_fit_its_line_count_is_refused(body_bytes, expected):
    with pytest.raises(LayoutError, match=f"expected {expected}, got {body_bytes}"):
        DebitRequest.decode(bytes(body_bytes))


def reserved_bytes():
    """(class, offset of a reserved byte, offset of its field)"""
    for cls in FIXED:
        for field in layout_of(cls).fields:
            if field.name.startswith("reserved"):
                yield from ((cls, field.offset + at, field.offset) for at in (0, field.wire.width_bytes - 1))


@pytest.mark.parametrize(("cls", "at", "field_offset"), list(reserved_bytes()))
def test_a_reserved_byte_that_is_not_zero_is_refused_with_its_offset(cls, at, field_offset):
    body = bytearray(layout_of(cls).width_bytes)
    body[at] = 1

    with pytest.raises(LayoutError, match="leave reserved fields zero") as caught:
        cls.decode(bytes(body))

    assert caught.value.offset == field_offset


def test_too_many_lines_are_refused_before_they_are_sent():
    request = DebitRequest(
        trace_number=1,
        business_date=1,
        stamp_ms=1,
        card_number=1,
        amount_minor=1,
        lines=(BillLine(amount_minor=1),) * 256,
    )

    with pytest.raises(LayoutError, match="expected 255, got 256"):
        request.encode()


def test_a_field_without_a_wire_type_is_refused():
    class Broken(Packed, frozen=True, kw_only=True):
        number: int

    with pytest.raises(TypeError, match=r"Broken\.number: expected an annotation with a wire type"):
        layout_of(Broken)


def test_every_record_is_of_whole_cache_lines_with_kind_key_and_last_sequence_in_the_same_place():
    for kind, cls in RECORDS.items():
        offsets = {field.name: (field.offset, field.wire.width_bytes) for field in layout_of(cls).fields}
        width_bytes = record_bytes(kind)
        assert width_bytes == layout_of(cls).width_bytes in (64, 128, RECORD_BYTES_MAX)
        assert (offsets["kind"], offsets["version"]) == ((0, 1), (1, 1))
        assert offsets["last_sequence"] == (width_bytes - 8, 8)
        assert (8, 8) in offsets.values(), f"{cls.__name__}: no key at offset 8"
        if kind >= FIRST_WIDE_KEY_KIND:
            assert offsets["state"] == (2, 1)
            assert {(16, 8), (24, 8)} <= set(offsets.values())
        assert cls.__struct_defaults__[-len(cls.__struct_fields__)] == kind


def test_images_are_cut_by_their_kinds_and_tell_their_keys():
    images = [StoreRecord(store_id=3).encode(), MarkRecord(key_a=1, key_b=2, key_c=3).encode()]

    assert images_of(b"".join(images)) == images
    assert [record_key(image) for image in images] == [(3,), (1, 2, 3)]
    with pytest.raises(ValueError, match="kind of record: expected one of 1 to 28, got 0"):
        images_of(bytes(64))


def test_the_hashed_part_of_a_block_header_ends_where_its_hash_begins():
    offsets = {field.name: field.offset for field in layout_of(BlockHeader).fields}

    assert offsets["block_hash"] == HASHED_HEADER_BYTES
    assert offsets["previous_hash"] + 32 == HASHED_HEADER_BYTES
    assert layout_of(EntryHeader).width_bytes % records.ENTRY_ALIGN_BYTES == 0


def test_every_keyed_request_begins_with_the_same_key_and_stamp():
    for type_ in KEYED_TYPES:
        head = [(field.name, field.offset, field.wire.format) for field in layout_of(REQUESTS[type_]).fields[:3]]
        assert head == [("trace_number", 0, "I"), ("business_date", 4, "I"), ("stamp_ms", 8, "q")]


def test_types_are_below_the_reply_bit_and_never_given_twice():
    assert all(type_ < REPLY_BIT for type_ in [*MessageType, *RESERVED_TYPES])
    assert not {int(type_) for type_ in MessageType} & RESERVED_TYPES.keys()
    assert REQUESTS.keys() == set(MessageType) - {MessageType.ERROR}
    assert RIGHT_NEEDED.keys() >= KEYED_TYPES


def test_every_code_has_a_meaning_and_the_error_codes_are_not_final():
    assert list(MEANINGS) == list(ResponseCode)
    assert len(set(PRECEDENCE)) == len(PRECEDENCE)
    assert {code for code in ResponseCode if code_class(code) is CodeClass.RETRY} == {
        ResponseCode.BUSY,
        ResponseCode.DISK_FULL,
        ResponseCode.WINDOW_FULL,
    }
    assert all(code_class(code) is CodeClass.ERROR for code in ResponseCode if code >= 220)
    assert code_class(65_000) is CodeClass.FINAL


def test_a_refusal_can_be_told_from_statistics_by_its_first_byte():
    assert Reply(code=ResponseCode.NOT_PERMITTED).encode()[:1] != b"{"


def test_the_longest_messages_fit_their_frames():
    debit = 8 + 40 + 255 * 32 + 16
    follow = 8 + layout_of(FollowReply).width_bytes + limits.FOLLOW_BYTES_MAX + 16

    assert debit == 8_224 <= limits.FRAME_BYTES_MAX
    assert follow <= limits.REPLY_FRAME_BYTES_MAX == 0xFFFF
    assert layout_of(SignOnHeader).width_bytes + 32 + 16 == limits.SIGN_ON_FRAME_BYTES
