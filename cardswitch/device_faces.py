"""`cardswitch device faces`: designs of visual cards, fetched from the admin service, and drawn to look at."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from .device import app
from .output import Output

FETCH_TIMEOUT_S = 30
PATH = "/api/v1/card-faces/document"
faces_app = App(
    name="faces",
    help="""Designs of visual cards: fetched from the admin service, drawn to look at.

For example:
    cardswitch device faces fetch http://127.0.0.1:7480 faces.json --token-file faces.token""",
    help_format="plaintext",
)
app.command(faces_app)


@faces_app.command
def fetch(service: str, file: Path, /, *, token_file: Path, json: bool = False) -> int:
    """Fetch the approved designs and the promotions of these days, check them, and keep them in a file.

    For example:
        cardswitch device faces fetch http://127.0.0.1:7480 faces.json --token-file faces.token

    Put it into a timer: what was approved is on the next card that is printed afterwards. The file is the old one or
    the new one whole.

    Parameters
    ----------
    service
        Address of the admin service; over HTTPS, or of this machine.
    file
        Where the designs are kept for `cardswitch device pos sell --faces`.
    token_file
        File with a token of the admin service that may look at card types (page Tokens of programs), and nothing else.
    """
    from urllib.error import URLError
    from urllib.parse import urlsplit
    from urllib.request import Request, urlopen

    from terminals.face_design import FILE_BYTES_MAX, FaceDesignError, parse_face_book

    place = urlsplit(service)
    if place.scheme != "https" and not (place.scheme == "http" and place.hostname in ("127.0.0.1", "::1", "localhost")):
        raise ValueError(f"service: expected https://HOST, or http:// of this machine, got {service}")
    token = token_file.read_text("ascii").strip()
    request = Request(service.rstrip("/") + PATH, headers={"Authorization": f"Bearer {token}"})
    try:
        with urlopen(request, timeout=FETCH_TIMEOUT_S) as answer:
            content = answer.read(FILE_BYTES_MAX + 1)
    except URLError as error:
        raise FaceDesignError(f"{service}: expected the designs, got: {error}; check address and token") from error
    book = parse_face_book(content)
    beside = file.with_name(file.name + ".new")
    beside.write_bytes(content)
    beside.replace(file)
    Output(as_json=json).say(
        f"{file}: {len(book.faces)} designs, {len(book.promotions)} promotions",
        faces=[{"card_type": face.card_type, "version": face.version} for face in book.faces],
        promotions=len(book.promotions),
    )
    return 0


@faces_app.command
def draw(file: Path, picture: Path, /, *, card_type: int, dpi: int = 300, level: int = 1) -> int:
    """Draw a design with sample figures, as the writer would get it, into a portable bitmap.

    For example:
        cardswitch device faces draw faces.json face.pbm --card-type 3

    Parameters
    ----------
    file
        The designs (`cardswitch device faces fetch`).
    picture
        The bitmap (.pbm).
    card_type
        Whose design.
    dpi
        Dots per inch of the writer.
    level
        Level of the holder, for the promotion.
    """
    from terminals.face_design import FaceDesignError, read_face_book
    from terminals.face_drawing import FaceFacts, as_pbm, draw_face

    book = read_face_book(file)
    design = book.design(card_type)
    if design is None:
        raise FaceDesignError(f"card type {card_type}: expected one with an approved design, got none in {file}")
    known = max((one.from_date for one in book.promotions), default=0)
    facts = FaceFacts(
        card_number="6221260012345674",
        holder="1000001",
        balance_minor=1_234_50,
        points_hundredths=86_00,
        amount_minor=12_50,
        level=level,
        promotion=book.promotion(0, level, card_type, known),
    )
    picture.write_bytes(as_pbm(draw_face(design, facts, dpi)))
    Output().say(f"{picture}: version {design.version}, {dpi} dots per inch")
    return 0
