"""Faces of visual cards: what may stand on them, versions that two people make, and what tills fetch."""
