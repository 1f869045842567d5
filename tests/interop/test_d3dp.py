"""Published state dicts of D3DP: names, shapes and sizes."""

from __future__ import annotations

import pytest

from keras_seal import interop
from keras_seal.errors import UserError
from tests.interop.published import check_conversion, linear
from tests.interop.test_transformers import mixste

SCHEDULE = (
    "betas",
    "alphas_cumprod",
    "alphas_cumprod_prev",
    "sqrt_alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod",
    "sqrt_recip_alphas_cumprod",
    "sqrt_recipm1_alphas_cumprod",
    "posterior_variance",
    "posterior_log_variance_clipped",
    "posterior_mean_coef1",
    "posterior_mean_coef2",
)


def test_d3dp():
    shapes = {
        **mixste(inputs=5),
        **linear("time_mlp.1", 64, 32),
        **linear("time_mlp.3", 32, 64),
    }
    shapes = {f"pose_estimator.{name}": shape for name, shape in shapes.items()}
    shapes |= {name: (1000,) for name in SCHEDULE}
    net, _ = check_conversion(
        "D3DP",
        shapes,
        39_683,
        skeleton="human36m_17",
        num_frames=9,
        channels=32,
        num_blocks=2,
        input_channels=2,
    )
    assert net.needs_poses
    with pytest.raises(UserError, match="not the weights of a D3DP"):
        interop.get("D3DP").infer_config(mixste())
