"""What kind of scenes the simulation draws, and with which cameras."""

from __future__ import annotations

from dataclasses import dataclass, fields
from numbers import Real
from types import MappingProxyType

from st_vlm.errors import InputError

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Rig:
    """How cameras are built and mounted. Ranges are (least, largest), and numbers are drawn evenly between them.

    Attributes:
        prefix: Of recordings' ids.
        fields_of_view: Horizontal, in degrees; one of the ranges is drawn first.
        toy_fields_of_view: The same, of the camera near the ground: small things need a longer lens.
        heights: Metres above the ground for each mount: a car's `dash`, a `pole`, the `side` of a court, and `low`
            beside toys.
        frame_rate: Hz. Half a second is a whole number of frames.
        stream: Numbers added to the seed, so that two rigs show different scenes.
        held_out: Whether every recording is of the split `test`.
    """

    prefix: str
    fields_of_view: tuple[Range, ...]
    toy_fields_of_view: tuple[Range, ...]
    heights: MappingProxyType[str, Range]
    frame_rate: float
    stream: tuple[int, ...] = ()
    held_out: bool = False


TRAINING_RIG = Rig(
    prefix="sim",
    fields_of_view=((50.0, 90.0),),
    toy_fields_of_view=((50.0, 62.0),),
    heights=MappingProxyType({"dash": (1.3, 2.0), "pole": (3.0, 7.0), "side": (3.0, 5.5), "low": (0.25, 1.0)}),
    frame_rate=10.0,
)
# No number of it lies in a range of the training rig, whatever the mount, and no source of real recordings has 8 Hz.
BENCH_RIG = Rig(
    prefix="simbench",
    fields_of_view=((38.0, 46.0), (95.0, 105.0)),
    toy_fields_of_view=((38.0, 46.0),),
    heights=MappingProxyType({"dash": (2.2, 2.8), "pole": (8.0, 11.0), "side": (7.5, 9.0), "low": (1.05, 1.25)}),
    frame_rate=8.0,
    stream=(8,),
    held_out=True,
)
RIGS = {"training": TRAINING_RIG, "bench": BENCH_RIG}


@dataclass(frozen=True, kw_only=True)
class SceneSettings:
    """Options of the simulated source. All but the rig are shares from 0 to 1.

    Attributes:
        turning: Of moving objects, those whose path bends; of fast ones, whom bends slow down, seven tenths of it.
        reversing: Of vehicles, those that stop and go on backwards.
        stopping: Of moving objects, those that stand for a while, at first or on the way.
        speed_changes: Of moving objects, those that go now faster, now slower.
        odd_speeds: Of moving objects, those at a speed unusual for their kind: crawling cars, sprinting people.
        company: Of objects, those that take after an earlier moving one: of its kind; when moving also about as fast,
            and for a while the same way.
        toys: Of scenes, those of remote-control vehicles, seen from near the ground.
        rig: `training`, or `bench`, whose cameras are kept for the benchmark.

    Raises:
        InputError: A share outside 0 to 1, or an unknown rig.
    """

    turning: float = 0.9
    reversing: float = 0.3
    stopping: float = 0.5
    speed_changes: float = 0.7
    odd_speeds: float = 0.2
    company: float = 0.7
    toys: float = 0.08
    rig: str = "training"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "rig":
                continue
            if not isinstance(value, Real) or isinstance(value, bool) or not 0 <= value <= 1:
                raise InputError(
                    f"The option {field.name} of the simulated source must be a share from 0 to 1, not {value!r}."
                )
        if not isinstance(self.rig, str) or self.rig not in RIGS:
            raise InputError(f"The option rig of the simulated source must be {' or '.join(RIGS)}, not {self.rig!r}.")

    @property
    def cameras(self) -> Rig:
        """The rig that `rig` names."""
        return RIGS[self.rig]
