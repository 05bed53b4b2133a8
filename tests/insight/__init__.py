"""Tests of who is in a sample and who is not."""
