"""Properties of the whole business, held against an auditor's books."""
