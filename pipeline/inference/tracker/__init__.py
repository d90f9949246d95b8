"""Streams whose speakers change at pauses, put together again so that each keeps its speaker."""
