# Only C functions, for `_sale.pyx`, `_value.pyx` and `_points.pyx`.
