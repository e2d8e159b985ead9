"""What a till says to its cashier: what happens, and what to do, in Chinese and English."""

from __future__ import annotations

import enum
from typing import NamedTuple

from switch.protocol.codes import ResponseCode

from .outcome import meaning_of


class Words(NamedTuple):
    """A sentence twice."""

    chinese: str
    english: str


class Notice(enum.Enum):
    """What a till tells while it sells; a sale's steps are among them."""

    PRESENT_CARD = Words("请插卡、挥卡、刷卡或扫码", "Insert, tap or swipe the card, or scan the code")
    READING = Words("正在读卡，请勿移动", "Reading the card, leave it where it is")
    QUOTED = Words("已报价", "Priced")
    PAYING = Words("正在扣款", "Paying")
    DECIDED = Words("已扣款", "Paid")
    WRITING = Words("正在回写卡片，请勿取出", "Writing to the card, leave it where it is")
    PRINTING = Words("正在打印小票", "Printing the receipt")
    DONE = Words("交易完成，请取卡", "Done: take the card")
    USE_CHIP = Words("此卡有芯片，请插卡或挥卡", "The card has a chip: insert or tap it")
    CHIP_FAILED = Words("芯片读取失败，请取出后再试一次", "The chip could not be read: take it out and try once more")
    SWIPE_INSTEAD = Words("芯片两次读取失败，请刷磁条", "The chip failed twice: swipe the stripe")
    CARD_STAYED_OLD = Words(
        "卡片未回写，交易有效，下次仍可使用", "The card was not written; the sale holds, and the card can be used again"
    )
    STRIPE_UNKNOWN = Words(
        "磁条回写结果不明，交易有效，下次刷卡时核对",
        "Whether the stripe was written is not known; the sale holds, the next swipe will tell",
    )
    FACE_WRITTEN = Words("卡面已更新", "The face of the card is up to date")
    FACE_STAYED_OLD = Words(
        "卡面未更新，交易有效，请重新打印卡面", "The face of the card was not printed; the sale holds, print it again"
    )
    NEXT_CODE = Words("请顾客出示新的付款码", "Have the customer show the next code")
    READ_AGAIN = Words("读取失败，请重试", "It could not be read: try again")
    NOT_A_CARD = Words("这不是会员卡的条码", "This is no code of a card")
    READER_AWAY = Words("读卡设备未连接，请检查插头", "A reader is away: check its plug")
    PRINTER_STOPPED = Words(
        "打印机不可用，请处理后补打；交易有效", "The printer has stopped: see to it and print later; the sale holds"
    )
    UNDOING = Words("正在撤销上一笔未完成的交易", "Undoing a sale that was not finished")
    UNDONE = Words(
        "未收到答复，已撤销，未扣款，请重新收款", "There was no answer: it was undone, no money moved, begin again"
    )
    UNKNOWN = Words(
        "结果不明，请勿交货，网络恢复后系统会自动撤销；可改用现金",
        "Not known: hand over nothing. It is undone when the line is back; take cash instead",
    )
    OFFLINE = Words("无法连接系统，未扣款", "The switch cannot be reached: no money moved")
    CANCELLED = Words("已取消，未扣款", "Cancelled: no money moved")
    STUCK = Words("请主管核对流水后处理", "A supervisor must compare the journals")


PIN_NEEDED = Words("请顾客输入密码", "Ask the customer for the PIN")
PIN_WRONG = Words("密码错误，请重新输入", "The PIN was wrong: ask for it again")

_ADVICE: dict[int, Words] = {
    ResponseCode.REFER: PIN_NEEDED,
    ResponseCode.PIN_REQUIRED: PIN_NEEDED,
    ResponseCode.PIN_WRONG: PIN_WRONG,
    ResponseCode.PIN_LOCKED: Words("密码已锁，请到服务台重置", "The PIN is locked: the service desk resets it"),
    ResponseCode.CARD_UNKNOWN: Words("卡号不存在，请检查", "No such card: check the number"),
    ResponseCode.BLACKLISTED: Words("黑名单卡，请扣留并通知主管", "Blacklisted: keep the card, call the supervisor"),
    ResponseCode.CLONE: Words(
        "此卡有副本，已冻结；请扣留卡片并通知保安", "There is a copy of this card; it is frozen. Keep it, call security"
    ),
    ResponseCode.MEDIUM_REQUIRED: Words("不能只用卡号付款，请读卡", "A number alone does not pay: read the card"),
    ResponseCode.MEDIUM_FORBIDDEN: Words("此卡不能用这种方式付款", "This card does not pay in this way: use another"),
    ResponseCode.MEDIUM_UNKNOWN: Words("介质未登记，请到服务台", "Not enrolled: send the customer to the service desk"),
    ResponseCode.MEDIUM_REVOKED: Words("介质已作废，请到服务台换卡", "Revoked: the service desk gives a new card"),
    ResponseCode.KEY_VERSION: Words(
        "卡片密钥版本已停用，请到服务台换卡", "The card's key version is out of use: the service desk replaces the card"
    ),
    ResponseCode.COUNTER_JUMP: Words("卡片计数异常，请通知保安", "The card's counter jumped: call security"),
    ResponseCode.CODE_STALE: Words(
        "付款码已过期，请刷新后再扫", "The code is out of date: have it refreshed and scan again"
    ),
    ResponseCode.CODE_USED: Words("付款码已用过，请刷新后再扫", "The code was used: have it refreshed and scan again"),
    ResponseCode.CHALLENGE_STALE: Words("请重新插卡或挥卡", "Insert or tap the card again"),
    ResponseCode.FALLBACK_FORBIDDEN: Words(
        "磁条不能付此金额，请用芯片或其他方式", "The stripe does not pay this: use the chip, or another way"
    ),
    ResponseCode.MEDIUM_AMOUNT: Words("超过此方式的限额", "Above what may be paid in this way"),
    ResponseCode.FUNDS: Words("余额不足", "Not enough on the card"),
    ResponseCode.EXPIRED: Words("卡已过期，请到服务台", "Expired: send the customer to the service desk"),
    ResponseCode.CARD_STATUS: Words("卡状态不允许付款，请到服务台", "The card is stopped: send it to the service desk"),
    ResponseCode.PROOF_WRONG: Words(
        "卡片验证不符；请重试一次，再不行请扣留并通知主管",
        "The proof does not fit: try once more, then keep the card and call the supervisor",
    ),
    ResponseCode.PRICE_CHANGED: Words("价格已变，请重新收款", "Prices have changed: begin again"),
    ResponseCode.STORE_FORBIDDEN: Words("本店不受理此卡", "This store does not take the card"),
    ResponseCode.PRODUCT_FORBIDDEN: Words(
        "有商品不能用此卡支付", "Something on the bill may not be paid with this card"
    ),
    ResponseCode.SINGLE_AMOUNT: Words("超过单笔限额", "Above the limit of one payment"),
    ResponseCode.DAILY_AMOUNT: Words("超过当日限额", "Above the limit of the day"),
    ResponseCode.DAILY_COUNT: Words("超过当日次数", "As many payments today as allowed"),
    ResponseCode.QUARANTINED: Words("本终端已被停用，请通知保安", "This till was stopped: call security"),
    ResponseCode.NOT_PERMITTED: Words(
        "本终端无此权限，请通知管理员", "This till may not do that: call the administrator"
    ),
}


def advice(code: int | None, meaning: str = "") -> Words:
    """What a refusal means at the counter; codes that are not about cards have the protocol's own sentence."""
    if code is None:
        return Words("未完成，未扣款", meaning or "Not done: no money moved")
    found = _ADVICE.get(code)
    return found or Words(f"拒绝（{code}）", f"Refused ({code}): {meaning or meaning_of(code)}")
