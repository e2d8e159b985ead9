"""A training card on a wire, without reader and file, and the issuer across from it."""

from msgspec.structs import replace

from hsm.cards import AcAnswer, AcData, CardPurpose, card_key, issuer_answer
from terminals.chip.applet import CardState
from terminals.chip.card_file import CardFileError, CardMemory
from terminals.chip.faults import FaultPlan
from terminals.chip.virtual_card import VirtualCard

MASTER_KEY = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
UID = bytes.fromhex("04782E21801D80")
NUMBER = 6221260012345674
KEY = card_key(MASTER_KEY, CardPurpose.AC, 1, UID)
NEXT_CHAIN = bytes.fromhex("0A0B0C0D")
CHAIN = bytes.fromhex("DEADBEEF")
PAYMENT = AcData(bytes(range(1, 9)), 12_345, 156, 0, 1_795_000_000, b"TERM0001")


MADE = CardMemory(
    uid=UID.hex(),
    state=CardState.ISSUED,
    card_number=NUMBER,
    key_version=1,
    key=KEY.hex(),
    counter=41,
    chain=CHAIN.hex(),
)


def made(**changes):
    """Memory of a card that has been made and has used its counter up to 41."""
    return replace(MADE, **changes)


def blank(counter=0):
    return CardMemory(uid=UID.hex(), counter=counter)


class MemoryInMemory:
    """Keeps all that was ever stored; `is_full` refuses more."""

    def __init__(self, memory):
        self.stored = [memory]
        self.is_full = False

    def load(self):
        return self.stored[-1]

    def store(self, memory):
        if self.is_full:
            raise CardFileError("no room")
        self.stored.append(memory)


class Wire:
    """What a reader is to the commands: `exchange`."""

    def __init__(self, memory=None, faults=""):
        self.memory = MemoryInMemory(memory or made())
        self.paused_ms: list[int] = []
        self.card = VirtualCard(
            self.memory, FaultPlan(faults), pause_ms=self.paused_ms.append, random_bytes=lambda count: b"\xa5" * count
        )
        self.sent: list[bytes] = []

    def exchange(self, command):
        self.sent.append(command)
        return self.card.answer(command)


def answer_of_issuer(answer: AcAnswer, chain=NEXT_CHAIN, command=0):
    return issuer_answer(KEY, UID, answer, chain, command)
