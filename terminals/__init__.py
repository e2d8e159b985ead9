"""What stands on the counter: client, card readers, printers and their simulators."""
