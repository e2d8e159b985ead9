# Only C functions, for whoever decides about a card or its account.
