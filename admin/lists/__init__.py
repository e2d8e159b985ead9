"""Questions behind lists: pages and the API ask the same functions, which know the visitor's part and masking."""
