import numpy as np
import pytest
from synthetic import synthetic_body

from a3dgen.geometry.limbs import LIMB_JOINTS, limb_coordinate, limb_position
from a3dgen.geometry.skeleton import IS_BELOW


@pytest.fixture(scope="module")
def body():
    return synthetic_body()


@pytest.mark.parametrize("limb", LIMB_JOINTS)
def test_joints_lie_at_whole_numbers(body, limb):
    at = body.joints_template[list(LIMB_JOINTS[limb])]
    np.testing.assert_allclose(limb_position(at, body.joints_template, limb), [0, 1, 2], atol=1e-9)


@pytest.mark.parametrize("limb", LIMB_JOINTS)
def test_linear_along_the_bones(body, limb):
    root, mid, end = body.joints_template[list(LIMB_JOINTS[limb])]
    s = np.linspace(0, 1, 21)[:, None]
    np.testing.assert_allclose(limb_position(root + s * (mid - root), body.joints_template, limb), s[:, 0], atol=1e-9)
    np.testing.assert_allclose(limb_position(mid + s * (end - mid), body.joints_template, limb), 1 + s[:, 0], atol=1e-9)


@pytest.mark.parametrize("limb", LIMB_JOINTS)
def test_continuous_across_the_bend(body, limb):
    joints = body.joints_template
    root, mid, end = joints[list(LIMB_JOINTS[limb])]
    across = (mid - root) / np.linalg.norm(mid - root) + (end - mid) / np.linalg.norm(end - mid)
    side = np.cross(across, [0.3, 0.2, 1.0])
    side *= 0.05 / np.linalg.norm(side)
    for sign in (1, -1):
        near = mid + sign * side + np.array([[-1e-6], [1e-6]]) * across
        assert np.ptp(limb_position(near, joints, limb)) < 1e-4


@pytest.mark.parametrize("limb", LIMB_JOINTS)
def test_only_the_limb_and_its_piece_of_torso(body, limb):
    f = limb_coordinate(body.mesh, body.joints_template, limb)
    root = LIMB_JOINTS[limb][0]
    own = body.mesh.weights[:, IS_BELOW[root]].sum(1)
    side = body.mesh.vertices[:, 0] * (1 if "left" in limb else -1)
    assert f.dtype == np.float32
    assert (own[f > 0.3] > 0.5).all()
    assert (f[side < -0.02] == -1).all()
    assert f.max() > 2.05
