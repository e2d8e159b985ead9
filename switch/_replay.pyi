from switch._tables import Tables
from switch.duplicates import AnswerWindow
from switch.journal import BlockReader

def replay(tables: Tables, window: AnswerWindow, reader: BlockReader) -> tuple[int, int]: ...
