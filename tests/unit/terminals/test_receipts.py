import datetime
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminals.columns import ENCODING, clip, pad, pair, printable, width, wrap
from terminals.printing import Cut, QrCode, TextLine, document_bytes
from terminals.receipts import Language, ReceiptLine, Tender, lay_out, plain
from tests.support.counter import CARD, receipt

TEXTS = st.text(st.sampled_from("ab 中文“”…¥𠮷é，\t\x07\u0301"), max_size=60) | st.text(max_size=60)

CHINESE = """\
宏大连锁超市 徐家汇店
销售小票
------------------------------------------------
时间                         2026-11-22 18:05:00
终端                                        0077
收银员                                      张三
流水号                                    123456
------------------------------------------------
商品                                        金额
------------------------------------------------
农夫山泉 550ml
  2 x 2.00                                  4.00
  优惠                                     -0.50
五常大米 5kg 特级（东北原产地直供，真空包装，适
合全家）                                   69.90
Apple Fuji kg
  1.253 x 9.98                             12.50
------------------------------------------------
小计                                       85.90
优惠 会员日                                -0.60
抹零                                       -0.10
合计               85.20
现金                                       15.20
储值卡                                     75.00
  622126******5674
找零                                        5.00
------------------------------------------------
卡号                            622126******5674
卡余额                                  1,234.50
本次积分                                   85.00
积分余额                               12,345.00
------------------------------------------------
验证码                                  7K2M9QXA
[QR HTTPS://R.EXAMPLE/7K2M9QXA]
谢谢惠顾
"""


def test_a_chinese_receipt():
    assert plain(lay_out(receipt(), Language.CHINESE)) == CHINESE


def test_an_english_receipt_on_narrow_paper():
    text = plain(lay_out(receipt(), Language.ENGLISH, 32))

    assert "Points balance         12,345.00\n" in text
    assert "Receipt code            7K2M9QXA\n" in text
    assert "  2 x 2.00                  4.00\n" in text


def test_the_card_is_masked_everywhere():
    assert CARD not in plain(lay_out(receipt(), Language.CHINESE))
    assert CARD.encode() not in document_bytes(lay_out(receipt(), Language.ENGLISH), 48)


def test_a_copy_says_so_and_the_first_print_does_not():
    first = plain(lay_out(receipt(), Language.CHINESE))
    copy = plain(lay_out(receipt().copy(2), Language.CHINESE))

    assert "* 重印副本 第 2 次 *" in copy
    assert "副本" not in first
    assert "* COPY No. 1 *" in plain(lay_out(receipt().copy(1), Language.ENGLISH))
    with pytest.raises(ValueError, match="from 1"):
        receipt().copy(0)


def test_what_is_not_there_is_not_printed():
    bare = receipt(
        lines=(ReceiptLine("A", 1000, 100, 100),),
        discounts=(),
        round_off_minor=0,
        total_minor=100,
        tenders=(Tender("Cash", 100),),
        change_minor=0,
        card_number=None,
        balance_minor=None,
        points_earned_hundredths=None,
        points_balance_hundredths=None,
        qr=None,
        footer="",
    )
    document = lay_out(bare, Language.ENGLISH)
    text = plain(document)

    assert not [word for word in ("Card", "Points", "Change", "Round-off", "Discount", "QR") if word in text]
    assert isinstance(document[-1], Cut)
    assert not any(isinstance(element, QrCode) for element in document)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"total_minor": 8521}, "total"),
        ({"round_off_minor": 11}, "total"),
        ({"change_minor": 499}, "tenders"),
        ({"code": "7K2M9QX"}, "code"),
        ({"code": "7k2m9qxa"}, "code"),
        ({"time": datetime.datetime(2026, 11, 22)}, "time"),
    ],
)
def test_figures_that_do_not_add_up_are_not_printed(changes, named):
    with pytest.raises(ValueError, match=named):
        receipt(**changes)


@given(TEXTS.filter(bool), TEXTS, TEXTS, st.sampled_from([32, 48]), st.sampled_from(list(Language)))
def test_any_text_fits_the_paper(store, name, cashier, columns, language):
    lines = (replace(receipt().lines[0], name=name), *receipt().lines[1:])
    long = receipt(store=store, lines=lines, cashier=cashier, terminal=cashier, footer=store, discounts=((name, 60),))
    document = lay_out(long, language, columns)
    document_bytes(document, columns)

    for element in document:
        if isinstance(element, TextLine):
            assert width(element.text) * (1 + element.is_double) <= columns


@given(TEXTS)
def test_a_printed_character_has_as_many_bytes_as_columns(text):
    made = printable(text)

    assert len(made.encode(ENCODING)) == width(made) <= width(text)


@given(TEXTS, st.integers(2, 50))
def test_clipping_and_padding_keep_to_their_columns(text, columns):
    assert width(clip(text, columns)) <= columns
    assert width(pad(text, columns)) == columns
    assert width(pair(text, "1.00", columns)) <= max(columns, 4)
    assert all(width(line) <= columns for line in wrap(text, columns))


@given(TEXTS, st.integers(2, 50))
def test_wrapping_loses_nothing_but_spaces(text, columns):
    assert "".join("".join(wrap(text, columns)).split()) == "".join(text.split())


def test_yen_and_what_no_printer_has():
    assert printable("¥5 𠮷 e\u0301\n") == "￥5 〓 é "
