"""What stands on the counter: client, card readers, printers and their simulators.

A till in six lines:

    key = TerminalKey(Path("till.key"))
    trace = FileTrace(Path("till.trace"), key.key.terminal_id)
    async with Client("switch.example", 7464, key, trace) as client:
        await client.settle()                      # what an earlier process left open
        outcome = await client.debit(card_number, amount_minor, lines)
        print(outcome.verdict, outcome.meaning)    # approved, declined or unknown

Reading order: `outcome` (how a call ends), `client` (what can be asked),
`settlement` (how a request gets to its end whatever the line does), `trace` and
`trace_file` (what survives a pulled plug), `day_close` (till and switch agree
on every request of a date), `terminal_key` and `key_change` (the terminal's
key and how it changes), `reconnect`, `link` (the socket). `chip` has the chip
cards and their readers.
"""
