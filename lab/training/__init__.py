"""Freezing strategies, the one training loop, the prefix cache and probes; selection that sees validation data only."""
