"""Geometry of poses and cameras: NumPy arrays in, NumPy arrays out; tensors in, tensors out."""

from keras_seal.geometry.alignment import procrustes, root_relative, scale_align
from keras_seal.geometry.bones import bone_lengths, bone_vectors, joint_angles, limb_lengths
from keras_seal.geometry.cameras import (
    Camera,
    camera_to_world,
    denormalize_screen,
    look_at,
    normalize_screen,
    project,
    unproject,
    world_to_camera,
)
from keras_seal.geometry.kinematics import (
    axis_angle_to_matrix,
    forward_kinematics,
    quaternion_to_matrix,
    rotate,
    rotate_bones,
)

__all__ = [
    "Camera",
    "axis_angle_to_matrix",
    "bone_lengths",
    "bone_vectors",
    "camera_to_world",
    "denormalize_screen",
    "forward_kinematics",
    "joint_angles",
    "limb_lengths",
    "look_at",
    "normalize_screen",
    "procrustes",
    "project",
    "quaternion_to_matrix",
    "root_relative",
    "rotate",
    "rotate_bones",
    "scale_align",
    "unproject",
    "world_to_camera",
]
