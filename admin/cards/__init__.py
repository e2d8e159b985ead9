"""Cards for people: number ranges, types, who may make which cards, stock, and how a balance came about."""
