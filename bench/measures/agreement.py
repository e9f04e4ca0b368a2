"""How far two judges agree."""

import numpy as np


def kappa(first: np.ndarray, second: np.ndarray) -> float:
    """Cohen's kappa of two judges' verdicts, shape [things] each, with linear weights (Cohen 1968).

    1 where all are alike, 0 where they are as by chance; NaN where each judge gives one verdict alone, or nothing was
    judged.
    """
    values = np.unique(np.concatenate([first, second]))
    shares = [(one[:, np.newaxis] == values).mean(axis=0) for one in (first, second)] if len(first) else []
    if len(values) < 2:
        return float("nan")
    by_chance = float(shares[0] @ np.abs(values[:, np.newaxis] - values) @ shares[1])
    return 1 - float(np.abs(first - second).mean()) / by_chance if by_chance else float("nan")
