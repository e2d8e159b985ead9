"""What a bill costs and earns: rules and their sets, prices, and trying a bill at the switch."""
