"""The interface to the books (Kingdee K3): documents per business date and store, handed over once each."""
