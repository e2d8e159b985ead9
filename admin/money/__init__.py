"""Money from the desk: recharges, refunds, reversals, transfers, visits, corporate orders, limits of operators."""
