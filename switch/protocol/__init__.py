"""The wire format of the switch, without input or output: layouts, messages, codes, Noise, frames, sessions."""
