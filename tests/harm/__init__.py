"""Harm: what should not come in, as data, and that none of it does any."""
