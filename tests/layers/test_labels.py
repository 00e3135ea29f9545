"""Labels are asked for where there are classes, and refused where there are none."""

import pytest
import torch

from projgan.errors import UsageError
from projgan.layers.labels import require_labels


def test_labels_where_they_belong():
    require_labels(None, num_classes=0, batch=3)
    require_labels(torch.tensor([0, 1, 4]), num_classes=5, batch=3)


@pytest.mark.parametrize(
    ("labels", "num_classes", "message"),
    [
        (None, 5, "5 classes needs a label for each sample"),
        (torch.tensor([0, 1, 4]), 0, "without classes"),
        (torch.tensor([0, 1]), 5, r"shape \(3,\), not \(2,\)"),
        (torch.eye(3, dtype=torch.int64), 3, r"not \(3, 3\)"),  # one-hot rows
    ],
)
def test_others_are_refused(labels, num_classes, message):
    with pytest.raises(UsageError, match=message):
        require_labels(labels, num_classes=num_classes, batch=3)
