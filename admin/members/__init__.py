"""Members: their records, how they are found, grouped, levelled, merged, imported and exported."""
