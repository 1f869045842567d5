"""Motions as glTF (binary `.glb`), for viewers and game engines."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from keras_seal import files
from keras_seal.errors import UserError
from keras_seal.inference.motion import Motion
from keras_seal.inference.writing.rigid import Node, Rig, swing

_FLOAT = 5126
_ARRAY_BUFFER = 34962
# Half the thickness of a drawn bone, metres.
_THICKNESS = 0.02
# A slim double pyramid from (0, 0, 0) to (0, 1, 0).
_CORNERS = np.array([[0, 0, 0], [1, 0.2, 0], [0, 0.2, 1], [-1, 0.2, 0], [0, 0.2, -1], [0, 1, 0]])
_FACES = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 1],
                   [5, 2, 1], [5, 3, 2], [5, 4, 3], [5, 1, 4]])  # fmt: skip


def require_pygltflib() -> None:
    """Raise `UserError` unless the optional library is installed."""
    if importlib.util.find_spec("pygltflib") is None:
        raise UserError('glTF needs pygltflib: pip install "keras-seal[gltf]".')


def write_glb(motion: Motion, path: str | Path) -> Path:
    """Write everybody's motion as one binary glTF file.

    The bones are rigid and fitted as for `write_bvh`; each person is a tree of nodes with a drawn
    bone for each bone, and one animation moves them all. glTF holds a whole animation at once, so
    this needs memory for it.

    Args:
        motion: The motion.
        path: The file, `.glb`; an older one is replaced.

    Returns:
        The path.

    Raises:
        UserError: pygltflib is not installed.
    """
    require_pygltflib()
    import pygltflib

    path = Path(path)
    content = pygltflib.GLTF2(
        asset=pygltflib.Asset(version="2.0", generator="keras-seal"),
        scene=0,
        scenes=[pygltflib.Scene(nodes=[])],
        animations=[pygltflib.Animation(name="motion", samplers=[], channels=[])],
        materials=[
            pygltflib.Material(
                name="bone",
                pbrMetallicRoughness=pygltflib.PbrMetallicRoughness(
                    baseColorFactor=[0.0, 0.45, 0.7, 1.0], metallicFactor=0.0, roughnessFactor=0.8
                ),
            )
        ],
    )
    buffer = _Buffer(pygltflib, content)
    corners = _CORNERS[_FACES].reshape(-1, 3)
    sides = np.cross(corners[1::3] - corners[::3], corners[2::3] - corners[::3])
    normals = np.repeat(sides / np.linalg.norm(sides, axis=1, keepdims=True), 3, axis=0)
    attributes = pygltflib.Attributes(
        POSITION=buffer.add(corners, "VEC3", _ARRAY_BUFFER), NORMAL=buffer.add(normals, "VEC3",
                                                                             _ARRAY_BUFFER)
    )  # fmt: skip
    content.meshes.append(
        pygltflib.Mesh(primitives=[pygltflib.Primitive(attributes=attributes, material=0)])
    )
    for person in motion.people:
        _add_person(pygltflib, content, buffer, motion, person)
    content.buffers.append(pygltflib.Buffer(byteLength=len(buffer.data)))
    content.set_binary_blob(bytes(buffer.data))
    with files.replacing(path) as unfinished:
        content.save_binary(str(unfinished))
    return path


def _add_person(library: Any, content: Any, buffer: _Buffer, motion: Motion, person: int) -> None:
    from scipy.spatial.transform import Rotation

    rig = Rig.of(motion, person)
    first = len(content.nodes)
    for index, node in enumerate(rig.nodes):
        children = [first + child for child, each in enumerate(rig.nodes) if each.parent == index]
        content.nodes.append(
            library.Node(
                name=f"person {person} {node.name}",
                translation=node.offset.tolist(),
                children=children,
            )
        )
    for index, node in enumerate(rig.nodes):
        if node.joint < 0 or node.parent < 0:
            continue
        content.nodes[first + node.parent].children.append(len(content.nodes))
        content.nodes.append(_drawn_bone(library, rig, node, index))
    content.scenes[0].nodes.append(first)
    parts = list(rig.turns(motion, person))
    frames = np.concatenate([start + np.arange(len(roots)) for start, roots, _ in parts])
    times = buffer.add(frames[:, None] / motion.fps, "SCALAR", None, limits=True)
    roots = np.concatenate([part[1] for part in parts])
    turns = np.concatenate([part[2] for part in parts])
    moves = [(0, "translation", buffer.add(roots, "VEC3", None))]
    for index in range(len(rig.nodes)):
        quaternions = Rotation.from_matrix(turns[:, index]).as_quat()
        # The two quaternions of a rotation lead different ways around; take the near one.
        nearer = np.sign((quaternions[1:] * quaternions[:-1]).sum(axis=1))
        signs = np.cumprod(np.append(1.0, np.where(nearer == 0, 1.0, nearer)))
        moves.append((index, "rotation", buffer.add(quaternions * signs[:, None], "VEC4", None)))
    animation = content.animations[0]
    for index, what, values in moves:
        animation.channels.append(
            library.AnimationChannel(
                sampler=len(animation.samplers),
                target=library.AnimationChannelTarget(node=first + index, path=what),
            )
        )
        animation.samplers.append(
            library.AnimationSampler(input=times, output=values, interpolation="LINEAR")
        )


def _drawn_bone(library: Any, rig: Rig, node: Node, index: int) -> Any:
    from scipy.spatial.transform import Rotation

    bone = rig.skeleton.bone_index(node.joint)
    turn = swing(np.array([[0.0, 1.0, 0.0]]), rig.rest[bone][None])[0]
    length = float(rig.lengths[bone])
    thickness = min(_THICKNESS, 0.3 * length)
    return library.Node(
        name=f"bone {index}",
        mesh=0,
        rotation=Rotation.from_matrix(turn).as_quat().tolist(),
        scale=[thickness, length, thickness],
    )


class _Buffer:
    """The binary part of the file."""

    def __init__(self, library: Any, content: Any) -> None:
        self._library = library
        self._content = content
        self.data = bytearray()

    def add(
        self, array: np.ndarray, kind: str, target: int | None, limits: bool | None = None
    ) -> int:
        """Append an array; the number of its accessor comes back."""
        values = np.ascontiguousarray(array, np.float32)
        view = self._library.BufferView(
            buffer=0, byteOffset=len(self.data), byteLength=values.nbytes, target=target
        )
        self.data += values.tobytes()
        self._content.bufferViews.append(view)
        accessor = self._library.Accessor(
            bufferView=len(self._content.bufferViews) - 1,
            componentType=_FLOAT,
            count=len(values),
            type=kind,
        )
        if limits or target == _ARRAY_BUFFER:
            accessor.min = values.min(axis=0).tolist()
            accessor.max = values.max(axis=0).tolist()
        self._content.accessors.append(accessor)
        return len(self._content.accessors) - 1
