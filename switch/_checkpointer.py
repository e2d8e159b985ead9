"""Child process that brings the balance store up to the journal: at low priority, with an interpreter lock of its own.

Speaks lines over pipes: the switch writes a durable position, the child
answers with the position that the store has reached.  It ends when the switch
does: a txn that is open then never happened.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

from switch._blocks import BlockReader
from switch.ledger import Ledger

NICENESS = 15
"""The store may lag behind; answers may not."""
PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    """Arguments: ledger directory, journal directory, partition, segment_bytes."""
    ledger_directory, journal_directory, partition, segment_bytes = arguments
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.nice(NICENESS)
    ledger = Ledger(Path(ledger_directory))
    done = ledger.checkpoint()
    reader = BlockReader(
        journal_directory,
        int(partition),
        int(segment_bytes),
        done.position,
        done.block_number,
        bytes.fromhex(done.chain_hash),
        done.next_sequence,
        trusting=True,
    )
    for line in sys.stdin:
        done = ledger.advance(reader, int(line))
        sys.stdout.write(f"{done.position}\n")  # the whole line at once, also where output is not buffered
        sys.stdout.flush()
    ledger.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
