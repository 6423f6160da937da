"""Writes PyTorch files of many kinds, and says what is in them: run in the environment ``torch`` of the tests.

``write FOLDER`` makes NAME.pt, NAME.npz (bytes of each tensor) and expected.json; ``load FOLDER FILE...`` reads files
that others made. Whatever is expected comes from PyTorch's own objects.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn


def bytes_of(tensor):
    tensor = tensor.detach().resolve_conj().resolve_neg().contiguous().reshape(-1)
    return tensor.view(torch.uint8).numpy() if tensor.numel() else np.zeros(0, np.uint8)


def described(tensors):
    return {
        name: [str(one.dtype).removeprefix("torch."), list(one.shape), list(one.stride())]
        for name, one in tensors.items()
    }


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.embed = nn.Embedding(7, 5)
        self.head = nn.Linear(5, 7, bias=False)
        self.head.weight = self.embed.weight
        self.register_buffer("table", torch.arange(6.0))
        self.register_buffer("passing", torch.arange(3.0), persistent=False)
        self.plain = torch.full((2,), 5.0)

    def forward(self, x):
        return self.head(self.embed(x)) + torch.tensor([1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5])


def state_dict():
    torch.manual_seed(1)
    state = Net().state_dict()
    return state, dict(state)


def all_types():
    names = (
        "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 uint16 uint32 uint64 bool complex64 complex128 "
        "float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu"
    ).split()
    found = {}
    for name in names:
        values = torch.tensor([0, 1, 2, 3, 5, 8])
        found[name] = (values + 1.0).to(getattr(torch, name)) if "e8m0" in name else values.to(getattr(torch, name))
    return found, found


def old_types():
    found = {
        name: tensor
        for name, tensor in all_types()[0].items()
        if "8_e" not in name and name[:6] not in ("uint16", "uint32", "uint64")
    }
    return found, found


def views():
    base = torch.arange(60.0)
    square = torch.arange(12, dtype=torch.int32).reshape(3, 4)
    found = {
        "base": base, "piece": base[10:20], "steps": base[5:50:7], "scalar": base[3], "transposed": square.t(),
        "expanded": base[:4].expand(3, 4), "diagonal": square.diagonal(),
        "empty": base[:0], "none": torch.zeros(3, 0, 2),
        "channels": torch.arange(120.0).reshape(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "column": square[:, 2], "one": torch.ones(1, 1, 1),
    }  # fmt: skip
    return found, found


def nested():
    a, b, c, d = (torch.full((2, 2), float(number)) for number in range(4))
    written = {"model": {"a": a}, "list": [b, (c, {"x": nn.Parameter(d)})], "epoch": 3, "arch": "tiny", 7: a[0]}
    return written, {"model.a": a, "list.0": b, "list.1.0": c, "list.1.1.x": d, "7": a[0]}


def whole():
    torch.manual_seed(2)
    net = Net()
    return net, {**net.state_dict(), "passing": net.passing, "plain": net.plain}


def training():
    torch.manual_seed(3)
    net = nn.Linear(3, 2)
    adam = torch.optim.Adam(net.parameters())
    net(torch.ones(1, 3)).sum().backward()
    adam.step()
    state = adam.state_dict()
    found = {f"state_dict.{name}": one for name, one in net.state_dict().items()}
    for number, entry in state["state"].items():
        found |= {f"optimizer_states.0.state.{number}.{name}": one for name, one in entry.items()}
    written = {
        "epoch": 1,
        "pytorch-lightning_version": "2.5.0",
        "state_dict": net.state_dict(),
        "optimizer_states": [state],
    }
    return written | {"rng_state": torch.get_rng_state()}, found | {"rng_state": torch.get_rng_state()}


def quantised():
    values = torch.linspace(-2, 2, 24).reshape(4, 6)
    each = torch.quantize_per_channel(
        values, torch.tensor([0.1, 0.2, 0.3, 0.4]), torch.tensor([1, 2, 3, 4]), 0, torch.qint8
    )
    written = {
        "signed": torch.quantize_per_tensor(values, 0.05, 3, torch.qint8),
        "unsigned": torch.quantize_per_tensor(values, 0.05, 128, torch.quint8),
        "wide": torch.quantize_per_tensor(values, 0.001, 0, torch.qint32),
        "each": each,
    }
    return written, {name: one.int_repr() for name, one in written.items()}


def sparse():
    dense = torch.tensor([[0.0, 1.0, 0.0], [2.0, 0.0, 3.0]])
    twice = torch.sparse_coo_tensor(torch.tensor([[0, 0, 1], [1, 1, 2]]), torch.tensor([1.0, 2.0, 3.0]), (2, 4))
    written = {"coo": dense.to_sparse(), "csr": dense.to_sparse_csr(), "csc": dense.to_sparse_csc(), "twice": twice}
    return written, {name: one.to_dense() for name, one in written.items()}


def marked():
    values = torch.tensor([1 + 2j, 3 - 4j])
    written = {"conjugate": values.conj(), "negative": torch._neg_view(torch.tensor([1.0, 2.0])), "plain": values}
    return written, written


def large():
    found = {f"layer.{number}": torch.randn(512, 512).to(torch.bfloat16) for number in range(8)}
    return found, found


def alone():
    tensor = torch.arange(5)
    return tensor, {"tensor": tensor}


def arrays():
    array = np.arange(6.0).reshape(2, 3)
    return {"np": array, "t": torch.ones(2)}, {"np": torch.from_numpy(array), "t": torch.ones(2)}


KINDS = (state_dict, all_types, views, nested, whole, training, quantised, sparse, marked, large, alone, arrays)
OLD_KINDS = (state_dict, old_types, views, nested, whole, training, quantised, alone)


def write(folder):
    told = {}
    for kind, is_zip in [*((kind, True) for kind in KINDS), *((kind, False) for kind in OLD_KINDS)]:
        written, found = kind()
        name = kind.__name__ + ("" if is_zip else "_legacy")
        torch.save(written, folder / f"{name}.pt", _use_new_zipfile_serialization=is_zip)
        told[name] = described(found)
        np.savez(folder / name, **{key: bytes_of(one) for key, one in found.items()})
    torch.manual_seed(4)
    net = Net().eval()
    for name, script in (("scripted", torch.jit.script(net)), ("traced", torch.jit.trace(net, torch.tensor([1, 2])))):
        torch.jit.save(script, folder / f"{name}.pt")
        found = dict(script.state_dict())
        told[name] = described(found)
        np.savez(folder / name, **{key: bytes_of(one) for key, one in found.items()})
    (folder / "expected.json").write_text(json.dumps(told))


def flat(value, name=""):
    if isinstance(value, torch.Tensor):
        return {name[1:]: value}
    inner = value.items() if isinstance(value, dict) else ()
    return {key: one for part, child in inner for key, one in flat(child, f"{name}.{part}").items()}


def load(folder, files):
    told = {}
    for file in files:
        found = flat(torch.load(folder / file, weights_only=False))
        told[file] = described(found)
        np.savez(folder / Path(file).stem, **{key: bytes_of(one) for key, one in found.items()})
    (folder / "loaded.json").write_text(json.dumps(told))


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1] == "write":
        write(Path(sys.argv[2]))
    else:
        load(Path(sys.argv[2]), sys.argv[3:])
