"""Mirrors the house: a folder a floor; `acceptance` is what users do."""
