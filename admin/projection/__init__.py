"""From journal to tables: `rows.py` reads entries, `bulk.py` writes rows, `projector.py` does both as one."""
