from switch._blocks import BlockReader
from switch._tables import Tables
from switch.duplicates import AnswerWindow

def replay(tables: Tables, window: AnswerWindow, reader: BlockReader) -> tuple[int, int]: ...
