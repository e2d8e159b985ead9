"""The people's side of the switch: a web service for operators, with SQL that follows the journal."""
