"""Lengths in a U-Net of strided convolutions without padding, as Demucs and GateWave have them."""

from pydantic import Field, model_validator

from pipeline.config import Section


class Strided(Section):
    """Its levels: each has a convolution on the way down and a transposed one on the way up."""

    depth: int = Field(default=5, gt=0, le=10)  # levels
    kernel_size: int = Field(default=8, ge=2, le=1000)  # frames of a filter
    stride: int = Field(default=4, gt=0, le=1000)  # frames between two positions of a filter

    @model_validator(mode="after")
    def _filters_leave_no_gap(self) -> "Strided":
        if self.kernel_size < self.stride:
            raise ValueError(
                f"kernel_size: {self.kernel_size} is less than stride: {self.stride}, which leaves"
                " gaps between the filters; raise it, or lower stride"
            )
        return self

    @property
    def hop(self) -> int:
        """Samples between two frames of the deepest level."""
        return int(self.stride**self.depth)

    @property
    def reach(self) -> int:
        """Samples from the first to the last that a frame of the deepest level depends on.

        Each level adds K - 1 of its own frames: (K - 1)(1 + S + S² + …) in all.
        """
        return sum((self.kernel_size - 1) * self.stride**level for level in range(self.depth))

    def whole(self, time: int) -> int:
        """The shortest length, `time` or more, that the filters of all levels cover exactly.

        >>> Strided(depth=2, kernel_size=8, stride=4).whole(37)
        52
        """
        frames = max(-(-(time - self.reach - 1) // self.hop), 0)
        return frames * self.hop + self.reach + 1
