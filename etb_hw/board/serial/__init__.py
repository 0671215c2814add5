"""Boards with a serial line."""
