"""Card types of every medium, set up and issued on pages, and sold to by a till in a shell with the reader of each."""

import json
import threading
from contextlib import contextmanager

import pytest
from sqlalchemy import select

from admin.members.totals import catch_up
from admin.models.audit import AuditRow
from admin.models.people import User
from switch.protocol.messages import DebitRequest, MediumKind, MessageType
from terminals.client import Client
from terminals.credentials import read_credentials, write_credentials
from terminals.face_design import read_face_book
from terminals.face_drawing import FaceFacts, draw_face, from_pbm
from terminals.pos_media import EntryMode
from terminals.swipe import check_character
from terminals.trace import MemoryTrace
from terminals.virtual_face import VirtualFaceWriter
from terminals.workstation import Device, Workstation, write_workstation
from tests.support.admin_card_desk import account_of, authorise, make_type, order, words
from tests.support.admin_databases import fresh_database, migrated_sqlite, postgresql_url  # noqa: F401
from tests.support.admin_members import add
from tests.support.admin_shop import running_shop
from tests.support.desk import entries_of
from tests.support.pcsc import CONTACT, CONTACTLESS
from tests.support.pos_world import CHAIN, DAY_TILL, SHELL_TILL, make_in, run
from tests.support.switch_process import run_cardswitch
from tests.unit.admin.conftest import cheap_hashes  # noqa: F401

BAR_CODE, STRIPE, CONTACT_CHIP, CONTACTLESS_CHIP = 1, 2, 3, 4
FIRST_TYPE = 90
OPERATOR_FIRST_NUMBER = 900_000
"""Trace numbers that nobody else uses with the operator's key."""
NUMBERS = {
    BAR_CODE: 6221_2600_9000_0019,
    STRIPE: 6221_2600_9000_0027,
    CONTACT_CHIP: 6221_2600_9000_0035,
    CONTACTLESS_CHIP: 6221_2600_9000_0043,
}
UIDS = {CONTACT_CHIP: "04782E21801D90", CONTACTLESS_CHIP: "04782E21801D91"}
LABELS = {
    BAR_CODE: "Bar code",
    STRIPE: "Magnetic stripe",
    CONTACT_CHIP: "Contact chip",
    CONTACTLESS_CHIP: "Contactless chip",
}
AGAIN_S = 3
"""A swipe or a scan is shown again until the till, which takes a second to start, has read it."""


@pytest.fixture
def counting_house(request, tmp_path, pos_switch):
    """The service before the switch of the tills: Maria writes types and issues, Chen approves them."""
    database = fresh_database("sqlite", request, tmp_path)
    with running_shop(database, pos_switch) as shop:
        maria_id = shop.add_user("maria", "hq-supervisor", totp=True)
        shop.add_user("chen", "hq-supervisor", totp=True)
        with shop.browser("maria") as maria, shop.browser("chen") as chen:
            for medium, number in NUMBERS.items():
                code = FIRST_TYPE + medium
                make_type(maria, chen, code, medium=medium, points_percent="100")
                assert LABELS[medium] in words(maria.get(f"/card-types/{code}").text)
                authorise(shop, "chen", maria_id, code)
                member = add(maria, "Li Na", organisation_id="0") if medium == STRIPE else 0
                fields = {"value_minor": "50", "tender": "1", "member": member}
                order(maria, "make-and-issue", card_type=code, first=number, **fields)
                if member:
                    order(maria, "set-card-level", cards=str(number), level="3")
            yield shop
    database.close()


def shown_until(stop, speaker, frame):
    while not stop.is_set():
        speaker.emit(frame)
        stop.wait(AGAIN_S)


@contextmanager
def presented(speaker, frame):
    """A customer who shows a card until it was read."""
    stop = threading.Event()
    thread = threading.Thread(target=shown_until, args=(stop, speaker, frame))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


async def enrol(switch, shop):
    """What the key house hands to the switch for each card that has more than a number."""
    host, port = switch.address
    trace = MemoryTrace("a test", OPERATOR_FIRST_NUMBER)
    async with Client(host, port, read_credentials(switch.data / "operator.key"), trace) as operator:
        for medium, uid in UIDS.items():
            put = await operator.put_medium(
                NUMBERS[medium], MediumKind.CHIP, int(uid, 16), chain=int.from_bytes(CHAIN, "big")
            )
            assert put.approved, put
        stripe = await operator.put_medium(NUMBERS[STRIPE], MediumKind.STRIPE, NUMBERS[STRIPE], counter=1)
        assert stripe.approved, stripe


def last_debit(shop, card):
    """The last debit of a card in the journal."""
    found = [
        DebitRequest.decode(entry.request)
        for entry in entries_of(shop.data)
        if entry.header.request_type == MessageType.DEBIT
    ]
    return next(debit for debit in reversed(found) if debit.card_number == card)


@pytest.mark.feature("HD-019", "HD-029", "HD-030", "HD-031", "HD-032")
def test_a_till_sells_to_a_card_of_each_medium_that_a_page_has_set_up(
    counting_house, chip_world, pos_counter, pos_shop, pos_switch, tmp_path
):
    run(enrol(pos_switch, pos_shop))
    (tmp_path / "bill.json").write_text(json.dumps({"lines": [{"name": "Tea", "amount": "12.50"}]}))
    write_credentials(tmp_path / "till.key", SHELL_TILL)
    devices = {
        BAR_CODE: Device("codes", "scanner", "line", pos_counter.scanner.port.name),
        STRIPE: Device("stripe", "swipe", "line", pos_counter.swipe.port.name),
        CONTACT_CHIP: Device("slot", "chip", "pcsc", CONTACT),
        CONTACTLESS_CHIP: Device("field", "chip", "pcsc", CONTACTLESS, contactless=True),
    }

    def till(medium, command, *words):
        path = tmp_path / f"till-{medium}.toml"
        write_workstation(path, Workstation("till 9", (devices[medium],)))
        host, port = pos_switch.address
        done = run_cardswitch(
            *("device", "pos", command, path, *words, "--key-file", tmp_path / "till.key", "--language", "en"),
            *("--folder", tmp_path / "shell", "--json", "--connect", f"{host}:{port}"),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def sell(medium):
        assert till(medium, "sell", tmp_path / "bill.json")["result"] == "paid"
        counting_house.settle()
        assert account_of(counting_house, NUMBERS[medium]).balance_minor == 37_50
        return last_debit(pos_shop, NUMBERS[medium])

    with presented(pos_counter.scanner, str(NUMBERS[BAR_CODE])):
        scanned = sell(BAR_CODE)
    assert (scanned.entry_mode, scanned.evidence) == (EntryMode.BAR_CODE, None)

    track_2 = pos_shop.track_2(NUMBERS[STRIPE], 1)
    with presented(pos_counter.swipe, track_2 + check_character(track_2)):
        holder = till(STRIPE, "identify")
        swiped = sell(STRIPE)
    assert (swiped.entry_mode, swiped.evidence.medium) == (EntryMode.STRIPE, MediumKind.STRIPE)
    assert holder["card"] == "622126******0027" and holder["status"] == "active"
    assert (holder["card_type"], holder["level"]) == (FIRST_TYPE + STRIPE, 3)
    assert (holder["balance"], holder["payments_today"]) == ("50.00", 0)
    with counting_house.browser("maria") as maria:  # the visit is registered
        catch_up(counting_house.database)
        member = words(maria.get(f"/members/{holder['member']}").text)
        assert "Li Na" in member and "Visits 1" in member and "12.50" in member
    assert any(swiped.evidence.proof)  # the check value of the track goes along, not the number alone

    for medium, reader, mode in (
        (CONTACT_CHIP, CONTACT, EntryMode.CHIP),
        (CONTACTLESS_CHIP, CONTACTLESS, EntryMode.CONTACTLESS),
    ):
        with chip_world.card(f"card-{medium}", reader, uid=UIDS[medium]) as card:
            make_in(reader, pos_shop, NUMBERS[medium])
            was = card.memory.counter
            paid = sell(medium)
            assert (paid.entry_mode, paid.evidence.medium) == (mode, MediumKind.CHIP)
            assert card.memory.counter == was + 1 and card.memory.log[-1].answered


VISUAL, GOLD = 6, 3
FACE_TYPE, FACE_CARD = 96, 6221_2600_9600_0013


@pytest.fixture
def face_house(request, tmp_path, pos_switch):
    """The service, and who designs faces, approves them, and sets promotions."""
    database = fresh_database("sqlite", request, tmp_path)
    with running_shop(database, pos_switch) as shop:
        shop.add_user("maria", "hq-supervisor", totp=True)
        shop.add_user("chen", "hq-supervisor", totp=True)
        with shop.browser("maria") as maria, shop.browser("chen") as chen:
            yield shop, maria, chen
    database.close()


def rows_of_face(*rows):
    """What the editor sends: kind, left, top, width, height in millimetres, alignment, text."""
    names = ("kind", "left", "top", "width", "size", "align", "text")
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


@pytest.mark.feature(
    "VC-001", "VC-012", "VC-013", "VC-033", "VC-034", "VC-035", "VC-036", "VC-039", "VC-040", "VC-064", "VC-065",
    "VC-167", "VC-168", "VC-169", "VC-170",
)  # fmt: skip
def test_a_sale_prints_the_face_that_two_people_made_with_the_promotion_of_the_holders_group(
    face_house, pos_counter, pos_switch, tmp_path
):
    shop, maria, chen = face_house
    make_type(maria, chen, FACE_TYPE, medium=VISUAL, points_percent="100")
    assert "Rewritable face" in words(maria.get(f"/card-types/{FACE_TYPE}").text)
    with shop.database.read() as session:
        maria_id = session.scalars(select(User.id).where(User.name == "maria")).one()
    authorise(shop, "chen", maria_id, FACE_TYPE)
    member = add(maria, "Li Na", organisation_id="0")
    issue = {"card_type": FACE_TYPE, "first": FACE_CARD, "value_minor": "50", "tender": "1", "member": member}
    order(maria, "make-and-issue", **issue)
    design = rows_of_face(
        ("holder", "4", "4", "30", "5", "left", "会员 "),
        ("number", "4", "10", "50", "4.5", "left", ""),
        ("amount", "4", "16", "38", "4", "left", "消费 "),
        ("balance", "4", "21", "38", "4", "left", "余额 "),
        ("points", "44", "21", "37.6", "4", "right", "积分 "),
        ("promotion", "4", "27", "77.6", "6", "center", ""),
        ("bar_code", "4", "38", "77.6", "11", "left", ""),
    )
    beyond = {**design, "left": ["80", *design["left"][1:]]}
    assert "right edge" in maria.post("/card-faces/new", {"card_type": FACE_TYPE, **beyond}).text
    made = maria.post("/card-faces/new", {"card_type": FACE_TYPE, **design}).headers["location"]
    assert "<svg" in maria.get(made).text and "余额 1,234.50" in maria.get(made).text
    assert "nobody approves his own" in maria.post(f"{made}/approve", page=made).text
    printer = VirtualFaceWriter(tmp_path / "face.txt", tmp_path / "visual")
    devices = (
        Device("codes", "scanner", "line", pos_counter.scanner.port.name),
        Device("face", "visual", "vc1", str(tmp_path / "visual"), dpi=203),
    )
    write_workstation(tmp_path / "till.toml", Workstation("till 9", devices))
    write_credentials(tmp_path / "till.key", DAY_TILL)
    (tmp_path / "bill.json").write_text(json.dumps({"lines": [{"name": "Tea", "amount": "12.50"}]}))

    def fetched():
        with shop.program(shop.token("maria", "card-types.view")) as program:
            (tmp_path / "faces.json").write_bytes(program.get("/api/v1/card-faces/document").content)
        return read_face_book(tmp_path / "faces.json")

    def sell():
        book, (host, port) = fetched(), pos_switch.address
        with presented(pos_counter.scanner, str(FACE_CARD)):
            done = run_cardswitch(
                *("device", "pos", "sell", tmp_path / "till.toml", tmp_path / "bill.json", "--json"),
                *("--faces", tmp_path / "faces.json", "--key-file", tmp_path / "till.key"),
                *("--folder", tmp_path / "faces-till", "--connect", f"{host}:{port}"),
            )
        assert done.returncode == 0, done.stdout + done.stderr
        notices = [json.loads(line).get("notice") for line in done.stdout.splitlines()]
        picture = tmp_path / "face.pbm"
        return book, notices, from_pbm(picture.read_bytes()) if picture.exists() else None

    def expected(book, balance_minor, promotion):
        points = (50_00 - balance_minor) // 12_50 * 12_00
        facts = FaceFacts(str(FACE_CARD), str(member), balance_minor, points, 12_50, 0, promotion)
        return draw_face(book.design(FACE_TYPE), facts, 203)

    with printer:
        book, notices, shown = sell()  # a draft is on no card
        assert book.faces == () and shown is None and "face_written" not in notices
        assert chen.post(f"{made}/approve", page=made).status_code == 303
        assert (
            maria.post("/card-faces/promotions", {"text": "全场八折", "group": "0"}, page="/card-faces").status_code
            == 303
        )
        book, notices, shown = sell()
        assert "face_written" in notices and shown == expected(book, 25_00, "全场八折")

        club = maria.post("/member-groups/new", {"name": "Club", "kind": "list"}, page="/member-groups/new?kind=list")
        group = club.headers["location"].rpartition("/")[2]
        maria.post(f"/member-groups/{group}/members", {"numbers": member}, page=f"/member-groups/{group}")
        maria.post("/card-faces/promotions", {"text": "会员俱乐部专享", "group": group}, page="/card-faces")
        stopped = "/card-faces/promotions/1/stop"
        book, _notices, shown = sell()
        assert shown == expected(book, 12_50, "会员俱乐部专享") != expected(book, 12_50, "全场八折")
        assert maria.post(stopped, page="/card-faces").status_code == 303

        moved = {**design, "top": ["44", *design["top"][1:]]}  # changed at any time, on the next print
        moved["top"][-1] = "33"
        newer = chen.post("/card-faces/new", {"card_type": FACE_TYPE, **moved}).headers["location"]
        assert maria.post(f"{newer}/approve", page=newer).status_code == 303
        book, _notices, shown = sell()
        assert [face.version for face in book.faces] == [2] and [one.text for one in book.promotions] == [
            "会员俱乐部专享"
        ]
        assert shown == expected(book, 0, "会员俱乐部专享")
    with shop.database.read() as session:
        query = select(AuditRow.action).where(AuditRow.module.in_(("card-types", "campaigns")))
        acts = session.scalars(query.order_by(AuditRow.id)).all()
    for act in ("add-face", "approve-face", "add-card-text", "stop-card-text"):
        assert act in acts
