"""`cardswitch device`: virtual devices behind pseudo-terminals, for trying out and training without hardware."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from .device import app
from .output import CommandError

if TYPE_CHECKING:
    from terminals.virtual_serial import Fault, VirtualAnswerer

Link = Annotated[Path, Parameter(help="Name that the port gets in the file system; what hosts open.")]
SPEAKER_FAULTS = Literal["partial", "garbage", "slow", "unplugged"]
ENCODER_FAULTS = Literal["write-cut", "write-lost", "partial", "garbage", "unplugged", "silent"]
FACE_FAULTS = Literal["write-cut", "write-lost", "silent"]


def _note(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _fault(name: str | None) -> Fault | None:
    from terminals.virtual_serial import Fault

    return None if name is None else Fault(name)


def _until_stopped(work: Callable[[], None]) -> int:
    """Run until it ends, or SIGINT or SIGTERM come; either is a good end."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        work()
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _speak(
    link: Path, frames: list[str], times: int, fault: str | None, speed: int | None, to_frame: Callable[[str], str]
) -> int:
    from terminals.virtual_serial import VirtualSpeaker

    def work() -> None:
        with VirtualSpeaker(link, speed_baud=speed) as speaker:
            _note(f"{link}: plugged in{'' if frames else '; each line typed here is sent'}")
            lines = iter(frames * times) if frames else (line.rstrip("\r\n") for line in sys.stdin)
            count = 0
            for line in lines:
                speaker.emit(to_frame(line), _fault(fault))
                count += 1
            speaker.port.wait_for_host_gone()
            _note(f"{link}: sent {count}")

    return _until_stopped(work)


@app.command
def swipe(
    *tracks: str,
    link: Link,
    times: int = 1,
    fault: SPEAKER_FAULTS | None = None,
    speed: int | None = None,
    check_character: bool = True,
) -> int:
    """Be a swipe reader: send tracks, given here or typed, in pieces of seven bytes, to whoever opens the link.

    For example:
        cardswitch device swipe --link build/swipe ";6221260012345674=29122011081504230114?"

    Next: `cardswitch device setup` with the link as port. Ends when the host closes the port, or SIGTERM comes.

    Parameters
    ----------
    tracks
        What is on the stripe, from ; or % to ?; without any, each line typed is a swipe.
    times
        How often to swipe the tracks given.
    fault
        What goes wrong with each swipe.
    speed
        In baud; a host that listens at another gets garbage. Any when not given.
    check_character
        Send the check character after track 2.
    """
    from terminals.swipe import check_character as character_of

    def to_frame(line: str) -> str:
        last = line[line.rfind(";") :]
        if not check_character or not last.startswith(";") or not last.endswith("?"):
            return line
        return line + character_of(last)

    return _speak(link, [*tracks], times, fault, speed, to_frame)


@app.command
def scanner(
    *codes: str,
    link: Link,
    times: int = 1,
    prefix: str = "",
    fault: SPEAKER_FAULTS | None = None,
    speed: int | None = None,
) -> int:
    """Be a bar-code scanner: send codes, given here or typed, to whoever opens the link.

    For example:
        cardswitch device scanner --link build/scanner 971123456789013319303218

    Parameters
    ----------
    codes
        What is scanned, one after the other; without any, each line typed is a code.
    times
        How often to scan the codes given.
    prefix
        What the scanner is set to send before each code, such as ]C1.
    fault
        What goes wrong with each scan.
    speed
        In baud; a host that listens at another gets garbage. Any when not given.
    """
    return _speak(link, [*codes], times, fault, speed, lambda line: prefix + line)


def _serve(device: VirtualAnswerer, link: Path, ended: Callable[[], None] = lambda: None) -> int:
    def work() -> None:
        with device:
            _note(f"{link}: plugged in")
            try:
                threading.Event().wait()
            finally:
                ended()

    return _until_stopped(work)


@app.command
def printer(*, link: Link, save: Path | None = None, paper_lines: int | None = None) -> int:
    """Be an ESC/POS receipt printer: show what is printed as text, until SIGINT or SIGTERM.

    For example:
        cardswitch device printer --link build/printer --save build/receipt.txt

    Parameters
    ----------
    save
        File that gets the text at the end.
    paper_lines
        Lines until the paper is out; it does not end when not given.
    """
    from terminals.virtual_printer import VirtualPrinter

    if paper_lines is not None and paper_lines < 0:
        raise CommandError(f"--paper-lines: expected 0 or more, got {paper_lines}")
    device = VirtualPrinter(link, lambda line: print(line, flush=True))
    device.paper.lines_left = paper_lines
    return _serve(device, link, lambda: device.save(save) if save is not None else None)


@app.command
def encoder(*, link: Link, stripe: Path, fault: ENCODER_FAULTS | None = None) -> int:
    """Be a stripe encoder of the MSR605 command set, with the stripe in a file, until SIGINT or SIGTERM.

    For example:
        cardswitch device encoder --link build/encoder --stripe build/stripe.txt

    Parameters
    ----------
    stripe
        File with a line for each of the three tracks; an empty stripe when it is not there.
    fault
        What the first write or read does wrong.
    """
    from terminals.virtual_encoder import VirtualEncoder

    device = VirtualEncoder(stripe, link)
    device.fault = _fault(fault)
    return _serve(device, link)


@app.command
def visual(*, link: Link, face: Path, fault: FACE_FAULTS | None = None) -> int:
    """Be a writer of rewritable visual cards (VC1), with the card's face in a file, until SIGINT or SIGTERM.

    For example:
        cardswitch device visual --link build/visual --face build/face.txt

    Parameters
    ----------
    face
        File with the rows that the card shows; its dots are in a bitmap (.pbm) beside it.
    fault
        What the first print does wrong.
    """
    from terminals.virtual_face import VirtualFaceWriter

    device = VirtualFaceWriter(face, link)
    device.fault = _fault(fault)
    return _serve(device, link)
