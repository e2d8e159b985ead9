"""The command: one door to the switch, its tools, the replay and the demo."""
