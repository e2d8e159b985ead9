"""From a sale to the face of a visual card: who is told what, drawn and handed to the writer."""

from __future__ import annotations

from switch.protocol.messages import Reply

from .face_design import FaceBook
from .face_drawing import FaceFacts, draw_face
from .face_writer import FaceWriter
from .pos import WriteFace
from .workstation import Device


def facts_of(card_number: int, sale: Reply, known: Reply, book: FaceBook) -> FaceFacts:
    """What the face says, from the answer to a sale and the answer to a card query after it.

    Balance and points are those after the sale, also where something else moved meanwhile: that is the next print's.
    """
    facts = known.facts
    return FaceFacts(
        card_number=str(card_number),
        holder=str(facts.member or ""),
        balance_minor=sale.balance_minor,
        points_hundredths=sale.points_balance_hundredths,
        amount_minor=sale.due_minor,
        level=facts.level,
        promotion=book.promotion(facts.member, facts.level, facts.card_type, sale.business_date),
    )


def face_printer(book: FaceBook, writer: Device) -> WriteFace:
    """Prints on a writer, with the designs of a book; `DeviceError` from it when the writer could not."""

    def write(card_number: int, sale: Reply, known: Reply) -> bool:
        design = book.design(known.facts.card_type)
        if design is None:
            return False
        picture = draw_face(design, facts_of(card_number, sale, known, book), writer.dpi)
        with FaceWriter(writer.settings()) as port:
            port.redraw(picture)
        return True

    return write
