import torch

from projgan.layers.class_projection import ClassProjection


def test_by_hand():
    layer = ClassProjection(2, 4)
    with torch.no_grad():
        layer.embed.weight.copy_(torch.tensor([[1.0, 0.0, 0.0, 2.0], [0.0, -1.0, 0.0, 0.0]]))
    features = torch.tensor([[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]])
    out = layer(features, torch.tensor([0, 1]))
    assert out.tolist() == [[4.5], [-1.0]]  # 9 / sqrt(4), -2 / sqrt(4)
