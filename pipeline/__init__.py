"""Denoise-then-separate: does denoising first help speech separation?"""
