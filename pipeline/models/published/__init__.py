"""Denoisers that are taken as they are published: nothing is trained."""
