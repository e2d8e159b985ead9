"""The control plane: people and paper; talks to the switch only by protocol and journal."""
