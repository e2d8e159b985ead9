"""Questions that people put together themselves: record kinds and fields of a registry, never text that becomes SQL."""
