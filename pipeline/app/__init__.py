"""Trained networks on recordings of one's own: the command line, and the same in Python."""
