"""The test of Mann and Whitney: may two rows of measurements be of one kind?"""

from __future__ import annotations

import math
from collections.abc import Sequence


def rank_sum_p(first: Sequence[float], second: Sequence[float]) -> float:
    """Return how likely ranks as different as these are, if both rows are of one kind.

    By the normal approximation, which is good from some twenty measurements each on.
    """
    larger = sum((a > b) + (a == b) / 2 for a in first for b in second)
    count = len(first) * len(second)
    spread = math.sqrt(count * (len(first) + len(second) + 1) / 12)
    return math.erfc(abs(larger - count / 2) / spread / math.sqrt(2))
