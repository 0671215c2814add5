"""Programs of the host, one file a way to the board. A package holds one of them, and ``frames.py``."""
