"""How a weight can be stored with few bits. The module imports nothing heavy."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Integers:
    """Integers, symmetric around 0, and scales that multiply them.

    Attributes:
        bits: bits per weight, such as 8 or 4.
        block: how many consecutive input channels of an output channel share a scale. None stands for all of them.
    """

    bits: int
    block: int | None = None

    @property
    def largest(self) -> int:
        """The largest integer; the smallest one is its negative."""
        return 2 ** (self.bits - 1) - 1

    def __str__(self) -> str:
        """What the manifest says."""
        per = "output" if self.block is None else f"{self.block} inputs"
        return f"int{self.bits}, a scale per {per}"


@dataclass(frozen=True)
class Palette:
    """Indexes into a table of 2**bits values.

    Attributes:
        bits: bits per index.
        scaled: whether each output channel also has a scale, which multiplies the values of the table.
    """

    bits: int
    scaled: bool = False

    def __str__(self) -> str:
        """What the manifest says."""
        return f"palette of {2**self.bits}{', a scale per output' if self.scaled else ''}"


WeightFormat = Integers | Palette
