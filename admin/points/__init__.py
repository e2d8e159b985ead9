"""Points from the desk: adjusting, moving, backfilling, voiding, converting, gifts, categories, the ledger."""
