"""The official splits of nuScenes by scene, as published with the dataset."""

from __future__ import annotations

from st_vlm.recordings.source import Split

# Numbers of the 150 validation scenes of v1.0-trainval, first to last of each run; its other 700 scenes are train.
_VALIDATION_RUNS = (
    "3 12-18 35-36 38-39 92-110 221 268-278 329-332 344-346 519-524 552-565 625-627 629-630 632-638 770-771 775 "
    "777-778 780-784 794-800 802 904-917 919-931 962-963 966-969 971-972 1059-1073"
)


def _scene_names(runs: str) -> frozenset[str]:
    """`3 12-18` to scene-0003, scene-0012, …, scene-0018."""
    ends = [[int(end) for end in run.split("-")] for run in runs.split()]
    return frozenset(f"scene-{number:04}" for run in ends for number in range(run[0], run[-1] + 1))


VALIDATION = _scene_names(_VALIDATION_RUNS)
MINI_VALIDATION = frozenset({"scene-0103", "scene-0916"})


def split_of_scene(version: str, scene: str) -> Split:
    """The split of a scene in a version, which is the name of a folder of tables such as `v1.0-mini`.

    v1.0-test is all test, v1.0-mini has two validation scenes. Any other version is taken for v1.0-trainval or a part
    of it; scenes with names of one's own are train.
    """
    if version == "v1.0-test":
        return "test"
    return "validation" if scene in (MINI_VALIDATION if version == "v1.0-mini" else VALIDATION) else "train"
