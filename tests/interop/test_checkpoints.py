"""Checkpoints of PyTorch: every tensor exact, nothing run, damage refused."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_seal.data import DamagedFileError
from keras_seal.errors import UserError
from keras_seal.interop.checkpoints import read_checkpoint

torch = pytest.importorskip("torch")

FORMS = [True, False]  # the zip file of today, and the form before PyTorch 1.6


def tensors():
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6) / 7
    return {
        "module.plain": base,
        "module.shares": base[1:3, ::2],
        "module.transposed": base.t(),
        "half": base.half(),
        "brain": base.bfloat16(),
        "double": base.double(),
        "count": torch.tensor(17),
        "flags": torch.tensor([True, False]),
        "empty": torch.zeros(0, 3),
        "repeated": torch.ones(1).expand(1),
    }


def expected(tensor):
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


@pytest.mark.parametrize("zipped", FORMS)
@pytest.mark.parametrize("wrap", [None, "model_pos", "state_dict", "mine"])
def test_every_tensor_is_exact(tmp_path, zipped, wrap):
    path = tmp_path / "net.pth.tar"
    state = tensors()
    content = state if wrap is None else {"epoch": 6, "lr": 1e-3, wrap: state, "optimizer": {}}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    found = read_checkpoint(path, key="mine" if wrap == "mine" else None)
    assert list(found.tensors) == list(state)
    for name, tensor in state.items():
        np.testing.assert_array_equal(found.tensors[name], expected(tensor), err_msg=name)
        assert found.tensors[name].dtype == expected(tensor).dtype
    assert found.key == (wrap or "")
    assert found.facts == ({} if wrap is None else {"epoch": 6, "lr": 1e-3})
    assert found.stand_ins == ()


@pytest.mark.parametrize("zipped", FORMS)
def test_parameters_and_random_states_do_not_disturb(tmp_path, zipped):
    layer = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    content = {
        "epoch": 3,
        "random_state": np.random.RandomState(0),
        "optimizer": optimizer.state_dict(),
        "model_pos": {name: torch.nn.Parameter(p) for name, p in layer.state_dict().items()},
    }
    torch.save(content, tmp_path / "a.bin", _use_new_zipfile_serialization=zipped)
    found = read_checkpoint(tmp_path / "a.bin")
    np.testing.assert_array_equal(found.tensors["weight"], layer.weight.detach().numpy())
    assert found.facts == {"epoch": 3}
    assert any("RandomState" in name or "__randomstate_ctor" in name for name in found.stand_ins)


class Trap:
    def __reduce__(self):
        return os.system, ("touch " + os.environ["KERAS_SEAL_TRAP"],)


@pytest.mark.parametrize("zipped", FORMS)
def test_nothing_is_run(tmp_path, monkeypatch, zipped):
    sprung = tmp_path / "sprung"
    monkeypatch.setenv("KERAS_SEAL_TRAP", str(sprung))
    content = {"state_dict": {"a": torch.ones(2)}, "trap": Trap()}
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    found = read_checkpoint(tmp_path / "a.pth")
    assert found.tensors["a"].tolist() == [1.0, 1.0]
    assert found.stand_ins == ("posix.system",)
    assert not sprung.exists()
    # The trap works where a file is read as its writer meant it to be.
    pickle.loads(pickle.dumps(Trap()))
    assert sprung.exists()


def test_what_holds_no_weights_is_explained(tmp_path):
    def said(content, **options):
        torch.save(content, tmp_path / "a.pth")
        with pytest.raises(UserError) as caught:
            read_checkpoint(tmp_path / "a.pth", **options)
        return str(caught.value)

    assert "it holds: epoch, weights" in said({"epoch": 1, "weights": {"a": torch.ones(1)}})
    assert "has no key 'modle'. Did you mean 'model'?" in said({"model": {}}, key="modle")
    assert "holds a torch.nn.modules.linear.Linear" in said(torch.nn.Linear(1, 1))
    with pytest.raises(UserError, match="There is no checkpoint"):
        read_checkpoint(tmp_path / "none.pth")
    (tmp_path / "b.pth").write_bytes(b"hello")
    with pytest.raises(DamagedFileError, match="something else"):
        read_checkpoint(tmp_path / "b.pth")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    content = []
    for zipped in FORMS:
        torch.save({"state_dict": tensors()}, folder / "a", _use_new_zipfile_serialization=zipped)
        content.append((folder / "a").read_bytes())
    return folder, content


@given(data=st.data())
def test_damage_is_refused(saved, data):
    folder, contents = saved
    content = bytearray(data.draw(st.sampled_from(contents)))
    content = content[: data.draw(st.integers(0, len(content)))]
    for _ in range(data.draw(st.integers(0, 3))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (folder / "b").write_bytes(bytes(content))
    try:
        read_checkpoint(folder / "b")
    except UserError as error:
        assert len(str(error)) < 2000
