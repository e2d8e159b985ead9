"""The data plane: accept, connection, dispatch, duplicates, the decision, group commit, journal, ledger."""
