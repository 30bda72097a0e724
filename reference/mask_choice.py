"""Which of the mask decoder's four masks a user is shown."""

import numpy as np

# Mask 0 answers an unambiguous prompt. Masks 1, 2 and 3 are the candidates for an ambiguous one.
NUM_MASKS = 4


def is_ambiguous(num_points: int, has_box: bool, has_mask: bool = False) -> bool:
    """Whether a prompt for one object is ambiguous, so that users are given three masks and not one.

    This is the case for a single point and nothing else, as the authors of Segment Anything advise.
    """
    return num_points == 1 and not has_box and not has_mask


def shown_mask(iou_predictions: np.ndarray, ambiguous: bool) -> int:
    """Return which of the decoder's four masks a user is shown.

    It is mask 0, or for an ambiguous prompt the one of masks 1 to 3 with the highest score. The first of equal
    scores is shown, and a score of NaN counts as the lowest.

    Args:
        iou_predictions: float (4,), the decoder's scores.
        ambiguous: whether the prompt is; see ``is_ambiguous``.
    """
    if not ambiguous:
        return 0
    return 1 + int(np.nan_to_num(iou_predictions[1:], nan=-np.inf).argmax())
