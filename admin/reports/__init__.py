"""Reports: `report.py` says what one is, `registry.py` which there are; each is a question in SQL, in a small module.

A report gives one question to the database, whose rows are its table.  All
else is the same for all: parameters from the address, the visitor's part of
the organisation, totals, a chart, Excel and CSV.
"""
