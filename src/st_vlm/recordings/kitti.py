"""Sequences of the KITTI tracking benchmark in their native layout, with or without images.

Boxes are labelled in the frame of the rectified camera 0 and brought to the world by that frame's pose, which comes
from the GPS and inertial measurements (`oxts`) or from a pose file that somebody else's odometry wrote.
"""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path

import numpy as np

from st_vlm.errors import InputError
from st_vlm.kinematics.poses import invert, pose, transform
from st_vlm.recordings.images import read_image
from st_vlm.recordings.kitti_files import Labels, read_calibration, read_labels, read_oxts, read_poses
from st_vlm.recordings.kitti_geometry import box_centres, box_rotations, imu_poses, lens_offset, upright_poses
from st_vlm.recordings.kitti_images import image_files, image_size, sequence_images
from st_vlm.recordings.recording import Camera, Frames, Recording, Track
from st_vlm.recordings.source import SourceCard, Split
from st_vlm.recordings.tables import is_file, not_allowed

LICENCE = "CC-BY-NC-SA-3.0"
CARD = SourceCard(
    title="KITTI Tracking Benchmark",
    homepage="https://www.cvlibs.net/datasets/kitti/eval_tracking.php",
    licence=LICENCE,
    licence_note=(
        "Non-commercial use only; whoever passes on what was built from it names KITTI's authors and keeps the "
        "licence. Pose files that are not KITTI's own have their own licences."
    ),
    text=(
        "Twenty-one labelled drives of 8 to 106 s in and around Karlsruhe: 3D boxes at 10 Hz of what the left colour "
        "camera sees within the laser scanner's reach, two rectified colour cameras, GPS and inertial measurements. "
        "The benchmark has no times: frames count as 0.1 s each. Its test sequences have no published labels and are "
        "not read; all others are the split `train`. Regions marked DontCare are left out."
    ),
    media_may_be_shared=True,
    citation="""@inproceedings{Geiger2012CVPR,
  author = {Andreas Geiger and Philip Lenz and Raquel Urtasun},
  title = {Are we ready for Autonomous Driving? The KITTI Vision Benchmark Suite},
  booktitle = {Conference on Computer Vision and Pattern Recognition (CVPR)},
  year = {2012}
}
@article{Geiger2013IJRR,
  author = {Andreas Geiger and Philip Lenz and Christoph Stiller and Raquel Urtasun},
  title = {Vision meets Robotics: The KITTI Dataset},
  journal = {International Journal of Robotics Research (IJRR)},
  year = {2013}
}""",
)
# Camera -> its projection matrix. Both are colour; the labels are made for the left one.
PROJECTIONS = {"image_02": "P2", "image_03": "P3"}
FRAME_NS = 100_000_000
LABELS, CALIBRATION, OXTS, POSES = "label_02", "calib", "oxts", "pose"
ODOMETRY_SLACK = 0.05
# Labels may end before the drive does; a pose file with many more rows belongs to another sequence.
MOST_UNLABELLED_FRAMES = 10
# `occluded` as a share that is visible: KITTI's words are fully, partly, largely and unknown, without numbers.
VISIBLE_SHARE = np.array([1.0, 0.6, 0.2, np.nan])


class Kitti:
    """The sequences under a folder; a recording's id is its sequence, such as `0001`.

    Times are frame numbers at 10 Hz, for the benchmark has none. `Track.visibility` is 1.0, 0.6, 0.2 or NaN for
    KITTI's four levels of occlusion; truncation by the image's edge is not in it.

    Args:
        path: The folder with `training`, the folder `training`, or one file of its `label_02`.
        poses: Where the world comes from. `oxts`: the file `oxts/{sequence}.txt`, trusted; the world has x east,
            y north and starts where the vehicle does. The name of a folder beside `label_02`: its file
            `{sequence}.txt`, one row-major 3x4 matrix a frame that maps the rectified camera 0 to the first camera
            (x right, y down, z ahead). That world is turned so that z is up, not levelled: it is as tilted as the
            camera is, and a pose slack of 5 % is set. `auto`: oxts where there is one, otherwise the one folder whose
            name begins with `pose`.

    Raises:
        InputError: The path holds no labels, or there is no folder of this name for the poses.
    """

    name = "kitti"
    card = CARD

    def __init__(self, path: str | PathLike, poses: str = "auto") -> None:
        if not isinstance(poses, str) or not poses:
            raise InputError(f"The option poses of KITTI must be auto, oxts or a folder's name, not {poses!r}.")
        root = Path(os.path.abspath(path))
        self._training, files = _labels_under(root)
        self._labels = {file.stem: file for file in files}
        self._poses = poses
        if poses != "auto" and not (self._training / poses).is_dir():
            raise InputError(f"{self._training} has no folder {poses!r} of poses. Name one that is there.")

    def recording_ids(self) -> tuple[str, ...]:
        return tuple(sorted(self._labels))

    def split(self, recording_id: str) -> Split:
        self._label_file(recording_id)
        return "train"

    def cameras(self, recording_id: str, images: bool = True) -> tuple[str, ...]:
        self._label_file(recording_id)
        if images:
            return tuple(name for name in PROJECTIONS if image_files(self._image_folder(name, recording_id)))
        known = read_calibration(self._file(CALIBRATION, recording_id), ())
        return tuple(name for name, projection in PROJECTIONS.items() if projection in known)

    def read(self, recording_id: str, camera: str | None = None, images: bool = True) -> Recording:
        labels = read_labels(self._label_file(recording_id))
        cam_poses, pose_file, slack = self._cam_poses(recording_id)
        count = len(cam_poses)
        if not labels.frame_count <= count <= labels.frame_count + MOST_UNLABELLED_FRAMES:
            raise InputError(
                f"{pose_file} has {count} rows, but {labels.path} has labels for {labels.frame_count} frames. "
                "There must be a row a frame: restore the one that is not of this sequence."
            )
        times_ns = FRAME_NS * np.arange(count, dtype=np.int64)
        seen = {}
        if camera is not None:
            seen = self._camera_and_frames(recording_id, camera, images, labels, times_ns, cam_poses)
        return Recording(
            id=recording_id,
            source=self.name,
            licence=LICENCE,
            tracks=_tracks(labels, times_ns, cam_poses),
            split=self.split(recording_id),
            pose_slack=slack,
            ego_times_ns=times_ns,
            ego_centres=cam_poses[:, :3, 3],
            **seen,
        )

    def _label_file(self, recording_id: str) -> Path:
        if recording_id not in self._labels:
            raise InputError(f"No sequence {recording_id!r} among the {len(self._labels)} that were opened.")
        return self._labels[recording_id]

    def _file(self, folder: str, recording_id: str) -> Path:
        return self._training / folder / f"{recording_id}.txt"

    def _image_folder(self, camera: str, recording_id: str) -> Path:
        return self._training / camera / recording_id

    def _cam_poses(self, recording_id: str) -> tuple[np.ndarray, Path, float]:
        """(F, 4, 4) world from the rectified camera 0, the file they come from, and the pose slack."""
        path = self._pose_file(recording_id)
        if path.parent.name != OXTS:
            return upright_poses(read_poses(path)), path, ODOMETRY_SLACK
        chain = ("Tr_imu_velo", "Tr_velo_cam", "R_rect")
        known = read_calibration(self._file(CALIBRATION, recording_id), chain)
        velo_from_imu, cam0_from_velo = (pose(known[name][:, :3], known[name][:, 3]) for name in chain[:2])
        cam_from_imu = pose(known["R_rect"], np.zeros(3)) @ cam0_from_velo @ velo_from_imu
        return imu_poses(*read_oxts(path)) @ invert(cam_from_imu), path, 0.0

    def _pose_file(self, recording_id: str) -> Path:
        if self._poses != "auto":
            return self._file(self._poses, recording_id)
        oxts = self._file(OXTS, recording_id)
        if is_file(oxts):
            return oxts
        try:
            folders = sorted(folder for folder in self._training.glob(f"{POSES}*") if folder.is_dir())
        except OSError as error:
            raise not_allowed(self._training, error) from None
        files = [folder / oxts.name for folder in folders if is_file(folder / oxts.name)]
        if not files:
            raise InputError(
                f"Sequence {recording_id} has no poses: put KITTI's GPS and inertial measurements at {oxts}, or a row-"
                f"major 3x4 matrix a frame (camera 0 to world) at {self._file('poses', recording_id)}."
            )
        if len(files) > 1:
            raise InputError(
                f"Sequence {recording_id} has poses in {' and '.join(file.parent.name for file in files)} of "
                f"{self._training}. Name the one to take, poses=FOLDER, or keep one."
            )
        return files[0]

    def _camera_and_frames(
        self,
        recording_id: str,
        camera: str,
        images: bool,
        labels: Labels,
        times_ns: np.ndarray,
        cam_poses: np.ndarray,
    ) -> dict:
        if camera not in PROJECTIONS:
            raise InputError(f"KITTI has no camera {camera!r}. Choose one of {', '.join(PROJECTIONS)}.")
        calibration = self._file(CALIBRATION, recording_id)
        projection = read_calibration(calibration, (PROJECTIONS[camera],))[PROJECTIONS[camera]]
        folders = [self._image_folder(name, recording_id) for name in sorted(PROJECTIONS, key=lambda n: n != camera)]
        size = image_size(calibration, projection, folders, labels.image_extent)
        files = sequence_images(folders[0], len(times_ns), size, calibration) if images else ()
        return {
            "camera": Camera(camera, projection[:, :3], size, cam_poses @ lens_offset(projection)),
            "frames": Frames(
                times_ns,
                (lambda index: read_image(files[index])) if images else None,
                tuple(file.relative_to(self._training.parent).as_posix() for file in files),
            ),
        }


def _labels_under(root: Path) -> tuple[Path, list[Path]]:
    """The folder that holds `label_02`, and the label files to read."""
    try:
        if root.is_file() and root.suffix == ".txt" and root.parent.name == LABELS:
            return root.parent.parent, [root]
        training = root if (root / LABELS).is_dir() else root / "training"
        folder = training / LABELS
        files = sorted(file for file in folder.glob("[!.]*.txt") if file.is_file()) if folder.is_dir() else []
    except OSError as error:
        raise not_allowed(root, error) from None
    if not files:
        raise InputError(
            f"{root} holds no labels of KITTI's tracking benchmark. Give the folder with training/{LABELS}, "
            f"the folder training, or one file of {LABELS}."
        )
    return training, files


def _tracks(labels: Labels, times_ns: np.ndarray, cam_poses: np.ndarray) -> tuple[Track, ...]:
    """The tracks in the world, by the number that is their id."""
    at = cam_poses[labels.frames]
    height, width, length = labels.sizes.T
    sizes = np.stack([length, width, height], axis=-1)
    centres = transform(at, box_centres(labels.bottoms, height))
    rotations = at[:, :3, :3] @ box_rotations(labels.rotation_y)
    tracks = []
    for track_id in np.unique(labels.ids):
        # In the file's order, so that a track whose frames run backwards is noticed.
        rows = np.flatnonzero(labels.ids == track_id)
        categories = labels.categories[rows]
        changed = categories != categories[0]
        if changed.any():
            raise InputError(
                f"{labels.path}, line {labels.lines[rows][int(changed.argmax())]}: track {track_id} changes its "
                f"category from {categories[0]} to {categories[int(changed.argmax())]}. Restore the file."
            )
        try:
            track = Track(
                id=str(track_id),
                category=str(categories[0]),
                times_ns=times_ns[labels.frames[rows]],
                centres=centres[rows],
                sizes=sizes[rows],
                rotations=rotations[rows],
                visibility=VISIBLE_SHARE[labels.occluded[rows]],
            )
        except InputError as error:
            raise InputError(f"{labels.path}: {error}") from None
        tracks.append(track)
    return tuple(tracks)
