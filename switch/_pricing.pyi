# Only C functions, for whoever decides about a bill; from Python ask `_pricing_tool`.
