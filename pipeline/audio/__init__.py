"""The only place that reads and writes audio files; all other code uses these functions."""

from pipeline.audio.files import (
    AudioInfo,
    Samples,
    change_speed,
    channel_swings,
    check_flac,
    info,
    read,
    read_at,
    read_with_info,
    resample,
    to_16_bit,
    write,
    writing,
)

__all__ = [
    "AudioInfo",
    "Samples",
    "change_speed",
    "channel_swings",
    "check_flac",
    "info",
    "read",
    "read_at",
    "read_with_info",
    "resample",
    "to_16_bit",
    "write",
    "writing",
]
