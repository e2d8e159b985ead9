"""The price of a bill, asked from Python: for tests, measurements and tools. No decision comes this way."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memset

from switch._layout cimport *
from switch._pricing cimport bill_t, earn_points, earn_recharge, price_lines, priced_t, write_line_results
from switch._rules cimport Rules
from switch._tables cimport Tables


cdef int expect(uint8_t kind, bytes record) except -1:
    if len(record) != RECORD_BYTES_OF[kind] or record[0] != kind:
        raise ValueError(f"price: expected a record of kind {kind} and {RECORD_BYTES_OF[kind]} bytes, got {record!r}")
    return 0


cdef int fill_bill(bill_t* bill, Rules rules, bytes card_type, bytes account, int64_t amount_minor, bytes lines,
                   sale) except -1:
    expect(KIND_CARD_TYPE, card_type)
    expect(KIND_ACCOUNT, account)
    memset(bill, 0, sizeof(bill_t))
    if len(lines) % sizeof(bill_line_t) or len(lines) > <Py_ssize_t>(LINE_COUNT_MAX * sizeof(bill_line_t)):
        raise ValueError(f"price: expected up to {LINE_COUNT_MAX} lines of {sizeof(bill_line_t)} bytes, "
                         f"got {len(lines)} bytes")
    bill.card_type = <const card_type_record_t*><const uint8_t*>card_type
    bill.lines, bill.line_count = <const bill_line_t*><const uint8_t*>lines, len(lines) // sizeof(bill_line_t)
    bill.amount_minor = amount_minor
    bill.date = sale["date"]
    bill.weekday = (bill.date + 3) % 7 + 1       # 1970-01-01 was a Thursday
    bill.minute = sale.get("minute", 0)
    bill.level = sale.get("level", 0)
    bill.segments = sale.get("segments", 0)
    bill.store_id, bill.terminal_id = sale.get("store_id", 0), sale.get("terminal_id", 0)
    bill.settlement = sale.get("settlement", 0)
    bill.is_priced = sale.get("is_priced", False)
    bill.ruleset = rules.in_force(bill.date)
    return 0


def price(Tables tables, Rules rules, bytes card_type, bytes account, int64_t amount_minor, bytes lines=b"", *,
          bint discounts=True, int64_t shared_minor=0, int64_t day_points=0, uint32_t repeats=1, **sale):
    """Price a bill, as a debit or a quote does it: (code, bill, discount, is forbidden, points, line results).

    `card_type` and `account` are records; `lines` those of a request; `sale` names what the rules ask for: date,
    minute, level, segments, store_id, terminal_id, settlement, is_priced. `repeats` is for measurements.
    """
    cdef line_result_t out[LINE_COUNT_MAX]
    cdef const account_record_t* of_account = <const account_record_t*><const uint8_t*>account
    cdef bill_t bill
    cdef priced_t priced
    cdef uint32_t size = 0, _i
    cdef uint16_t code = CODE_APPROVED
    fill_bill(&bill, rules, card_type, account, amount_minor, lines, sale)
    with nogil:
        for _i in range(repeats):
            code = price_lines(tables, &bill, discounts, &priced)
            if code != CODE_APPROVED:
                break
            earn_points(tables, &bill, shared_minor, day_points, of_account, &priced)
            size = write_line_results(&bill, &priced, <uint8_t*>out)
    if code != CODE_APPROVED:
        return code, 0, 0, False, 0, b""
    return (code, priced.bill_minor, priced.discount_minor, bool(priced.is_forbidden), priced.points_hundredths,
            (<const uint8_t*>out)[:size])


def price_recharge(Tables tables, Rules rules, bytes card_type, bytes account, int64_t amount_minor, *,
                   int64_t day_points=0, **sale):
    """Points of a recharge and their category. Arguments as for `price`."""
    cdef bill_t bill
    cdef uint8_t category
    cdef const account_record_t* of_account = <const account_record_t*><const uint8_t*>account
    fill_bill(&bill, rules, card_type, account, amount_minor, b"", sale)
    return earn_recharge(tables, &bill, day_points, of_account, &category), category
