"""Rules told as aligned tables, one row per step; every decider must follow them."""
