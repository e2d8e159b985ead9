"""Long work that a process of its own does for somebody: big exports, dry runs."""
