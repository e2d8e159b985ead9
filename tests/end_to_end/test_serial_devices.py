"""Drivers and virtual devices over pseudo-terminals: pieces, faults, unplugging, paper, stripes that are rewritten."""

import asyncio
import contextlib
import queue
import re
import socket
import threading
import time
from typing import Any

import pytest

from hsm.stripe import make_track2
from terminals.card_face import FacePicture
from terminals.device_errors import DeviceError, DeviceLostError, DeviceTimeoutError, PortUnavailableError, VerifyError
from terminals.face_drawing import from_pbm
from terminals.face_writer import FaceWriter, FaceWriterError
from terminals.printed_card import check_printed_card, lay_out_printed_card
from terminals.printing import PrinterNotReadyError, PrinterState, PrintInterruptedError, ReceiptPrinter, document_bytes
from terminals.receipts import Language, lay_out, plain
from terminals.scanner import CodeKind, ScannerParser, ScannerReader, ScannerRules
from terminals.serial_port import Flow, PortEvent, PortSettings
from terminals.stripe_card import Written, WrongCardError, clear_stripe, make_stripe, read_stripe_card, renew_stripe
from terminals.stripe_encoder import BadSwipeError, MediumError, StripeEncoder
from terminals.swipe import (
    NumberCheckError,
    StripeRead,
    SwipeParser,
    SwipeReader,
    TrackGarbageError,
    TrackTruncatedError,
)
from terminals.virtual_encoder import VirtualEncoder, read_stripe
from terminals.virtual_face import VirtualFaceWriter
from terminals.virtual_printer import Paper, VirtualPrinter
from terminals.virtual_serial import Fault, VirtualSpeaker
from tests.support.counter import CARD, DYNAMIC_CODE, FRAME, NEXT_TRACK_2, TRACK_2, receipt

PATIENCE_S = 30
SOON_MS = 300
XOFF, XON = b"\x13", b"\x11"
OTHER_TRACK_2 = make_track2(bytes(16), b"j" * 16, 1, "6221260012345682", "2912", "201", 0, 1)


class Heard(queue.SimpleQueue[Any]):
    """What a listener hands over."""

    def next(self):
        return self.get(timeout=PATIENCE_S)


def wait_until(is_so):
    deadline_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


@contextlib.contextmanager
def swiping(link):
    heard = Heard()
    with VirtualSpeaker(link) as reader:
        settings = PortSettings(reader.port.name)
        with SwipeReader(settings, SwipeParser(), heard.put, retry_ms=20):
            assert heard.next() is PortEvent.PRESENT
            yield reader, heard


def test_500_swipes_in_pieces_are_all_read(tmp_path):
    with swiping(tmp_path / "swipe") as (reader, heard):
        for _ in range(500):
            reader.emit(FRAME)
        reads = [heard.next() for _ in range(500)]

    assert {type(read) for read in reads} == {StripeRead}
    assert {read.card_number for read in reads} == {CARD}


@pytest.mark.parametrize("fault", [Fault.PARTIAL, Fault.GARBAGE])
def test_a_broken_swipe_is_named_and_the_next_is_read(tmp_path, fault):
    with swiping(tmp_path / "swipe") as (reader, heard):
        reader.emit(FRAME, fault)
        assert type(heard.next()) is {Fault.PARTIAL: TrackTruncatedError, Fault.GARBAGE: TrackGarbageError}[fault]
        reader.emit(FRAME)
        assert isinstance(heard.next(), StripeRead)


def test_a_slow_swipe_is_read(tmp_path):
    with swiping(tmp_path / "swipe") as (reader, heard):
        reader.emit(FRAME, Fault.SLOW)
        assert isinstance(heard.next(), StripeRead)


def test_a_reader_that_was_unplugged_comes_back_and_half_a_swipe_is_forgotten(tmp_path):
    with swiping(tmp_path / "swipe") as (reader, heard):
        for _ in range(3):
            reader.emit(FRAME, Fault.UNPLUGGED)
            assert heard.next() is PortEvent.LOST
            reader.port.plug()
            assert heard.next() is PortEvent.PRESENT
            reader.emit(FRAME)
            assert isinstance(heard.next(), StripeRead)


def test_a_reader_that_is_not_there_yet_is_waited_for(tmp_path):
    heard = Heard()
    with SwipeReader(PortSettings(str(tmp_path / "swipe")), SwipeParser(), heard.put, retry_ms=20):
        assert heard.next() is PortEvent.LOST
        with VirtualSpeaker(tmp_path / "swipe") as reader:
            assert heard.next() is PortEvent.PRESENT
            reader.emit(FRAME)
            assert isinstance(heard.next(), StripeRead)


def test_a_port_is_for_one_program_alone(tmp_path):
    with (
        swiping(tmp_path / "swipe") as (reader, _),
        pytest.raises(PortUnavailableError, match="no other program"),
    ):
        StripeEncoder(PortSettings(reader.port.name))


def test_a_scanner_reads_codes_and_leaves_out_repeats(tmp_path):
    heard = Heard()
    with (
        VirtualSpeaker(tmp_path / "scanner") as scanner,
        ScannerReader(PortSettings(scanner.port.name), ScannerParser(), heard.put, retry_ms=20),
    ):
        for code in (f"]C1{DYNAMIC_CODE}", f"]C1{DYNAMIC_CODE}", CARD):
            scanner.emit(code)
        assert heard.next() is PortEvent.PRESENT
        kinds = [heard.next().kind, heard.next().kind]

    assert kinds == [CodeKind.DYNAMIC, CodeKind.PRINTED]


# --------------------------------------------------------------------------- printers


def test_a_printer_on_a_port_gets_what_the_dummy_gets_and_shows_chinese(tmp_path):
    document = lay_out(receipt(), Language.CHINESE)
    with (
        VirtualPrinter(tmp_path / "printer") as device,
        ReceiptPrinter.on_serial(PortSettings(device.port.name)) as printer,
    ):
        assert printer.print(document) is PrinterState.READY
        device.save(tmp_path / "receipt.txt")

    asked = b"\x10\x04\x01\x10\x04\x02\x10\x04\x03\x10\x04\x04"
    assert device.received == asked + document_bytes(document, 48) + b"\x1dr\x01" + asked
    text = (tmp_path / "receipt.txt").read_text("utf-8")
    assert "积分余额                               12,345.00\n" in text
    assert [line for line in plain(document).splitlines() if line not in text] == []


def test_paper_out_interrupts_a_receipt_and_a_new_roll_ends_it(tmp_path):
    document = lay_out(receipt(), Language.CHINESE)
    with (
        VirtualPrinter(tmp_path / "printer") as device,
        ReceiptPrinter.on_serial(PortSettings(device.port.name)) as printer,
    ):
        device.paper.lines_left = 10
        with pytest.raises(PrintInterruptedError) as interrupted:
            printer.print(document)
        assert interrupted.value.state is PrinterState.PAPER_OUT
        with pytest.raises(PrinterNotReadyError) as refused:
            printer.print(document)
        assert refused.value.state is PrinterState.PAPER_OUT
        assert len(device.paper.lines) == 10

        device.load_paper()
        assert printer.state() is PrinterState.READY
        printer.print(lay_out(receipt().copy(1), Language.CHINESE))

    assert device.paper.text.count("验证码") == 2
    assert device.paper.text.count("重印副本") == 1


def test_a_printer_that_is_switched_off_is_silent(tmp_path):
    with (
        VirtualPrinter(tmp_path / "printer") as device,
        ReceiptPrinter.on_serial(PortSettings(device.port.name)) as printer,
    ):
        assert printer.state() is PrinterState.READY
        device.port.unplug()
        assert printer.state() is PrinterState.SILENT
        with pytest.raises(PrinterNotReadyError):
            printer.print(lay_out(receipt(), Language.ENGLISH))


def test_a_printer_with_an_address_prints_too():
    paper = Paper()
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()

    def serve():
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(100):
                connection.sendall(paper.feed(data))

    thread = threading.Thread(target=serve)
    thread.start()
    with listener:
        with ReceiptPrinter.on_network(*address) as printer:
            assert printer.print(lay_out(receipt(), Language.ENGLISH)) is PrinterState.READY
        thread.join()

    assert "Receipt code" in paper.text
    with pytest.raises(PortUnavailableError):
        ReceiptPrinter.on_network(*address, timeout_ms=SOON_MS)


def test_a_printer_with_a_full_buffer_holds_the_receipt_up_and_loses_nothing(tmp_path):
    document = lay_out(receipt(), Language.CHINESE)
    with VirtualPrinter(tmp_path / "printer") as device:
        settings = PortSettings(device.port.name, flow=Flow.XON_XOFF, write_timeout_ms=SOON_MS)
        with ReceiptPrinter.on_serial(settings) as printer:
            assert printer.state() is PrinterState.READY
            device.port.send(XOFF)
            wait_until(lambda: device.port.host_has_paused)
            with pytest.raises(DeviceError):
                printer.print(document)
            assert device.paper.lines == []
            device.port.send(XON)
            wait_until(lambda: not device.port.host_has_paused)
            printer.print(document)

    assert device.paper.text.count("验证码") == 1


@pytest.mark.parametrize("number", [CARD, "622126001234567"])
def test_a_printed_card_is_scanned_back(tmp_path, number):
    heard = Heard()
    with (
        VirtualPrinter(tmp_path / "printer") as device,
        ReceiptPrinter.on_serial(PortSettings(device.port.name)) as printer,
    ):
        printer.print(lay_out_printed_card("宏大连锁超市", "张三", number, 48))
        (bars,) = re.findall(r"\[bar code (\d+)\]", device.paper.text)
        assert number not in device.paper.text.replace(bars, "")
    rules = ScannerRules(card_digits=frozenset({15, 16}))
    with (
        VirtualSpeaker(tmp_path / "scanner") as scanner,
        ScannerReader(PortSettings(scanner.port.name), ScannerParser(rules), heard.put, retry_ms=20),
    ):
        scanner.emit(bars)
        assert heard.next() is PortEvent.PRESENT
        read = heard.next()

    check_printed_card(read, number)
    with pytest.raises(VerifyError):
        check_printed_card(read, "6221260012345682")


def test_an_event_loop_hears_a_reader(tmp_path):
    async def listen():
        heard: asyncio.Queue[Any] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def deliver(event):
            loop.call_soon_threadsafe(heard.put_nowait, event)

        with (
            VirtualSpeaker(tmp_path / "swipe") as reader,
            SwipeReader(PortSettings(reader.port.name), SwipeParser(), deliver, retry_ms=20),
        ):
            await asyncio.to_thread(reader.emit, FRAME)
            return [await asyncio.wait_for(heard.get(), PATIENCE_S) for _ in range(2)]

    present, read = asyncio.run(listen())
    assert present is PortEvent.PRESENT
    assert read.card_number == CARD


# --------------------------------------------------------------------------- stripes


@pytest.fixture
def stripe(tmp_path):
    """An encoder with an empty stripe: (device, driver, file)."""
    path = tmp_path / "stripe.txt"
    with (
        VirtualEncoder(path, tmp_path / "encoder") as device,
        StripeEncoder(PortSettings(device.port.name), swipe_timeout_ms=SOON_MS) as encoder,
    ):
        yield device, encoder, path


def test_a_stripe_is_made_read_renewed_and_cleared(stripe):
    _, encoder, path = stripe
    made = make_stripe(encoder, TRACK_2, "Li/Na")

    assert read_stripe(path) == ["B6221260012345674^LI/NA^2912201", TRACK_2[1:-1], ""]
    assert read_stripe_card(encoder) == made
    assert renew_stripe(encoder, made, NEXT_TRACK_2).written is Written.NEW
    assert read_stripe(path)[:2] == ["B6221260012345674^LI/NA^2912201", NEXT_TRACK_2[1:-1]]
    with pytest.raises(WrongCardError):
        clear_stripe(encoder, "6221260012345682")
    clear_stripe(encoder, CARD)
    assert read_stripe(path) == ["", "", ""]
    with pytest.raises(MediumError):
        read_stripe_card(encoder)


def test_a_stripe_that_a_reader_would_refuse_is_not_written(stripe):
    _, encoder, path = stripe
    with pytest.raises(NumberCheckError):
        make_stripe(encoder, TRACK_2.replace("5674=", "5675="))
    assert not path.exists()


@pytest.mark.parametrize(
    ("fault", "error"),
    [(Fault.WRITE_CUT, BadSwipeError), (Fault.WRITE_LOST, VerifyError), (Fault.SILENT, DeviceTimeoutError)],
)
def test_a_card_that_was_not_made_is_not_taken_for_one(stripe, fault, error):
    device, encoder, path = stripe
    make_stripe(encoder, OTHER_TRACK_2)
    device.fault = fault
    with pytest.raises(error):
        make_stripe(encoder, TRACK_2)

    assert read_stripe(path)[1] != TRACK_2[1:-1]
    make_stripe(encoder, TRACK_2)
    assert read_stripe(path)[1] == TRACK_2[1:-1]


@pytest.mark.parametrize(("fault", "written"), [(Fault.WRITE_CUT, Written.UNKNOWN), (Fault.WRITE_LOST, Written.OLD)])
def test_a_renewal_says_what_the_card_holds(stripe, fault, written):
    device, encoder, _ = stripe
    made = make_stripe(encoder, TRACK_2)
    device.fault = fault

    assert renew_stripe(encoder, made, NEXT_TRACK_2).written is written


def test_a_renewal_whose_reading_back_fails_is_unknown(stripe):
    device, encoder, path = stripe
    made = make_stripe(encoder, TRACK_2)
    take = device.take

    def take_and_fail_later(data):
        if b"\x1bw" in data:
            device.fault = Fault.GARBAGE  # waits for the read that follows
        return take(data)

    device.take = take_and_fail_later
    renewal = renew_stripe(encoder, made, NEXT_TRACK_2)

    assert renewal.written is Written.UNKNOWN
    assert isinstance(renewal.error, MediumError)
    assert read_stripe(path)[1] == NEXT_TRACK_2[1:-1]


def test_only_the_card_that_was_swiped_is_renewed(stripe):
    _, encoder, path = stripe
    swiped = make_stripe(encoder, TRACK_2)
    with pytest.raises(WrongCardError):
        renew_stripe(encoder, swiped, OTHER_TRACK_2)
    make_stripe(encoder, OTHER_TRACK_2)
    with pytest.raises(WrongCardError):
        renew_stripe(encoder, swiped, NEXT_TRACK_2)

    assert read_stripe(path)[1] == OTHER_TRACK_2[1:-1]


def test_an_encoder_that_goes_away_is_lost_and_one_without_a_card_waits_in_vain(stripe):
    device, encoder, _ = stripe
    device.has_card = False
    with pytest.raises(DeviceTimeoutError):
        encoder.read()
    device.port.unplug()
    with pytest.raises(DeviceLostError):
        encoder.read()


def test_an_encoder_on_a_port_of_something_else_is_found_out(tmp_path):
    with (
        VirtualPrinter(tmp_path / "printer") as device,
        StripeEncoder(PortSettings(device.port.name), swipe_timeout_ms=SOON_MS) as encoder,
        pytest.raises(DeviceError),
    ):
        encoder.read()


# --------------------------------------------------------------------------- visual cards


def test_a_face_is_printed_read_back_and_compared(tmp_path):
    rows = ("张三丰", "余额      1,234.50")
    with (
        VirtualFaceWriter(tmp_path / "face.txt", tmp_path / "visual") as device,
        FaceWriter(PortSettings(device.port.name)) as writer,
    ):
        writer.rewrite(("old row 1", "old row 2", "old row 3"))
        writer.rewrite(rows)
        assert (tmp_path / "face.txt").read_text("utf-8").splitlines() == [*rows]
        device.fault = Fault.WRITE_LOST
        with pytest.raises(VerifyError, match="row 1, 2"):
            writer.rewrite(rows)
        device.fault = Fault.WRITE_CUT
        with pytest.raises(FaceWriterError, match="could not print"):
            writer.rewrite(rows)
        device.has_card = False
        with pytest.raises(FaceWriterError, match="no card"):
            writer.test()


def test_dots_are_printed_asked_for_and_compared(tmp_path):
    picture = FacePicture(20, 3, bytes.fromhex("00000080f0100000a0"))
    with (
        VirtualFaceWriter(tmp_path / "face.txt", tmp_path / "visual") as device,
        FaceWriter(PortSettings(device.port.name)) as writer,
    ):
        writer.redraw(picture)
        assert from_pbm((tmp_path / "face.pbm").read_bytes()) == picture
        device.fault = Fault.WRITE_LOST
        with pytest.raises(VerifyError, match="shows something else"):
            writer.redraw(picture)
        device.fault = Fault.WRITE_CUT
        with pytest.raises(FaceWriterError, match="could not print"):
            writer.redraw(picture)
        assert from_pbm((tmp_path / "face.pbm").read_bytes()) != picture
        writer.redraw(picture)
        writer.rewrite(("a row",))
        assert not (tmp_path / "face.pbm").exists()
