"""Test benches that packages hold, and the program that runs them."""
