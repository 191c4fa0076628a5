"""Tiny configurations of the imported families, for the tests of names and of numbers."""
