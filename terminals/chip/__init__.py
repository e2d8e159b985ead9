"""Chip cards on the counter: the applet's commands, readers over PC/SC, making cards, and a training card.

One sale's exchange with a card:

    with ChipReader(list_readers()[0]) as reader:
        reader.wait_for_card(30_000)
        card = select_applet(reader)                    # key version, UID
        number = read_card_number(reader)
        answer = generate_cryptogram(reader, transaction)
        ...                                             # the switch decides and answers
        give_issuer_answer(reader, issuer_answer)

Every call blocks its thread and ends by itself, the reader's watchdog sees to it: from asyncio use
`await asyncio.to_thread(reader.exchange, apdu)`.

Reading order: `applet` (bytes of commands and answers), `reader` (a reader and its thread), `card` (commands through
a reader), `personalise`, `virtual_card` (the training card), `faults`, `vpcd` (how it gets into pcscd), `sun_message`.
"""
