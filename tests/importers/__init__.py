"""Tests of the importers: transformers 5.23.0 is the oracle for names, shapes and defaults."""
