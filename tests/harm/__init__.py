"""Hostile input and floods, and checks that they do no harm."""
