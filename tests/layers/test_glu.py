import pytest
import torch
import torch.nn.functional as F
from torch import nn

from projgan.layers.glu import GLU


def test_gates_the_first_half_by_the_second():
    x = torch.randn(2, 6, 3, 3, dtype=torch.float64, requires_grad=True)
    out = GLU()(x)
    torch.testing.assert_close(out, F.glu(x, dim=1))
    assert torch.autograd.gradcheck(GLU(), x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_keeps_memory_format_forwards_and_backwards(memory_format, dtype):
    x = torch.randn(2, 8, 5, 5).to(dtype).contiguous(memory_format=memory_format)
    x.requires_grad_()
    norm = nn.BatchNorm2d(8)
    gradients = []
    norm.register_full_backward_hook(lambda _, __, grad_output: gradients.extend(grad_output))
    out = GLU()(norm(x))
    out.sum().backward()
    assert out.is_contiguous(memory_format=memory_format)
    # What batch norm gets back: in another format its backward would be many times slower.
    assert gradients[0].is_contiguous(memory_format=memory_format)
