"""Short messages to members: text, templates, whom they go to, the outbox and the inbox, and the way to a gateway."""
