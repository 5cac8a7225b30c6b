"""The boxes of nuScenes by scene and object, as tracks."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np

from st_vlm.errors import InputError
from st_vlm.kinematics.poses import rotation_from_quaternion
from st_vlm.recordings.columns import NUMBER, SHARED_TEXT, TEXT, numbers_of
from st_vlm.recordings.linked_columns import NO_ROW, LinkedColumns, coded, empty, mixed
from st_vlm.recordings.many_tracks import tracks_of_boxes
from st_vlm.recordings.nuscenes_tables import Samples, rotations, times_ns
from st_vlm.recordings.recording import Track
from st_vlm.recordings.tables import numbers, read_token_table, value

SAMPLE_ANNOTATION = {
    "token": TEXT,
    "sample_token": SHARED_TEXT,
    "instance_token": SHARED_TEXT,
    "visibility_token": SHARED_TEXT,
    "translation": numbers_of(3),
    "size": numbers_of(3),
    "rotation": numbers_of(4),
    "num_lidar_pts": NUMBER,
    "prev": TEXT,
    "next": TEXT,
}
# Visible share of the object, as the middle of the annotators' four bands.
VISIBLE_SHARE = {None: np.nan, "": np.nan, "1": 0.2, "2": 0.5, "3": 0.7, "4": 0.9}


class Boxes:
    """The boxes of all scenes.

    Attributes:
        table, instances, categories: sample_annotation.json, instance.json and category.json.
    """

    def __init__(self, folder: Path, samples: Samples, scenes: int) -> None:
        self.instances = LinkedColumns.read(folder / "instance.json", {"token": TEXT, "category_token": SHARED_TEXT})
        self.categories = read_token_table(folder / "category.json")
        self.table = LinkedColumns.read(folder / "sample_annotation.json", SAMPLE_ANNOTATION)
        self._samples = samples
        self._sample = samples.table.rows_of(self.table["sample_token"])
        self._instance = self.instances.rows_of(self.table["instance_token"])
        codes, tokens = coded(self.table["visibility_token"])
        self._visible_share = np.array([VISIBLE_SHARE.get(token, np.inf) for token in tokens])[codes]

        scene = np.append(samples.scene, NO_ROW)[self._sample]
        time = np.append(samples.table["timestamp"], 0)[self._sample]
        self._order = self._by_object_and_time(scene, time)
        self._starts = np.searchsorted(scene[self._order], np.arange(scenes + 1))
        self._clean = self._find_faults(scene, time)
        category_codes, self._category_tokens = coded(self.instances["category_token"])
        self._category = category_codes

    def tracks(self, number: int, chain: np.ndarray) -> tuple[Track, ...]:
        """A scene's boxes by object, in the order of the instance tokens.

        Args:
            number: The scene's.
            chain: (M,) rows of its samples.

        Raises:
            InputError: A box, or what it refers to, is at fault.
        """
        path, rows = self.table.path, self._order[self._starts[number] : self._starts[number + 1]]
        if not len(rows):
            return ()
        if not self._clean[rows].all():
            self._explain(rows, set(chain.tolist()))
        instances = self._instance[rows]
        firsts = np.append(0, np.flatnonzero(np.diff(instances)) + 1)
        seen = instances[firsts].tolist()
        categories = [self._category_name(instance) for instance in seen]
        try:
            return tracks_of_boxes(
                ids=[self.instances.tokens[instance] for instance in seen],
                categories=categories,
                firsts=firsts,
                times_ns=times_ns(self._samples.table, self._sample[rows]),
                centres=self.table["translation"][rows],
                sizes=self.table["size"][rows][:, [1, 0, 2]],  # nuScenes writes width, length, height
                rotations=rotation_from_quaternion(self.table["rotation"][rows]),
                lidar_points=self.table["num_lidar_pts"][rows].astype(np.int64),
                visibility=self._visible_share[rows],
            )
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    def _by_object_and_time(self, scene: np.ndarray, time: np.ndarray) -> np.ndarray:
        """(N,) rows by scene, instance token and time; those of no scene come first."""
        tokens = self.instances.tokens
        rank = np.empty(len(tokens) + 1, np.int64)
        rank[sorted(range(len(tokens)), key=tokens.__getitem__)] = np.arange(len(tokens))
        rank[NO_ROW] = len(tokens)
        return np.lexsort((time, rank[self._instance], scene))

    def _find_faults(self, scene: np.ndarray, time: np.ndarray) -> np.ndarray:
        """(N,) bool: nothing is wrong with the box or its links, so that nobody needs to look closer."""
        table, instance = self.table, self._instance
        good = (instance != NO_ROW) & ~np.append(self.instances.repeated, True)[instance] & ~table.repeated
        # The boxes of no known sample stop the scene where the rest of their object lies.
        stray = np.zeros(len(self.instances) + 1, bool)
        stray[instance[self._sample == NO_ROW]] = True
        good &= ~stray[instance]
        for name in ("translation", "size"):
            good &= np.isfinite(table[name]).all(axis=1)
        squares = np.einsum("ij,ij->i", table["rotation"], table["rotation"])
        good &= np.isfinite(squares) & (squares > 1e-16)
        good &= np.isfinite(table["num_lidar_pts"]) & ~np.isinf(self._visible_share)
        for number, row in table.columns.odd.items():
            good[number] &= all(isinstance(row.get(key), str | None) for key in ("visibility_token", "prev", "next"))
        if not self._links_lead_to_neighbours(scene):
            for name, sign in (("prev", -1), ("next", 1)):
                other = self._linked[name]
                right = (other != NO_ROW) & (instance[other] == instance) & (scene[other] == scene)
                right &= (sign * (time[other] - time) > 0) & ~table.repeated[other]
                good &= right | empty(table[name])
        return good

    def _links_lead_to_neighbours(self, scene: np.ndarray) -> bool:
        """Whether every `next` is the object's next box and every `prev` the one before, as in the release.

        Cheaper than to look up where links lead, by far.
        """
        instance, scene = self._instance[self._order], scene[self._order]
        same = (instance[1:] == instance[:-1]) & (scene[1:] == scene[:-1])
        earlier, later = self._order[:-1][same], self._order[1:][same]
        token, links = self.table.mixes, {name: mixed(self.table[name]) for name in ("prev", "next")}
        # As many links as neighbours, so that with all neighbours linked no other box has a link. (One chance in 2**64
        # to take a wrong link for a right one is no risk: tracks are made of times, not of links.)
        return (
            all(column is not None for column in (token, *links.values()))
            and all(np.count_nonzero(~empty(self.table[name])) == len(earlier) for name in links)
            and bool((links["next"][earlier] == token[later]).all())
            and bool((links["prev"][later] == token[earlier]).all())
        )

    @cached_property
    def _linked(self) -> dict[str, np.ndarray]:
        """(N,) rows that `prev` and `next` refer to."""
        return {name: self.table.rows_of(self.table[name]) for name in ("prev", "next")}

    def _category_name(self, instance: int) -> str:
        token = self._category_tokens[self._category[instance]]
        if token not in self._names:
            row = self.instances.row(instance)
            token = value(self.instances.path, row, "category_token")
            category = self.categories.row(token, f"{self.instances.path.name}, token {row['token']}")
            self._names[token] = value(self.categories.path, category, "name")
        return self._names[token]

    @cached_property
    def _names(self) -> dict[str, str]:
        return {}

    def _explain(self, rows: np.ndarray, chain: set[int]) -> None:
        """Say what is wrong with a scene's boxes, row by row; says nothing where nothing is."""
        path, boxes = self.table.path, [self.table.row(number) for number in rows]
        for number, box in zip(rows, boxes, strict=True):
            token = value(path, box, "instance_token")
            self.instances.check(self._instance[number], token, f"{path.name}, token {box['token']}")
        strays = np.flatnonzero(self._sample == NO_ROW)
        for number, box in zip(rows, boxes, strict=True):
            referrer = f"{path.name}, token {box['token']}"
            self.table.check(number, box["token"], referrer)
            if len(found := strays[self._instance[strays] == self._instance[number]]):
                stray = self.table.row(found[0])
                token = value(path, stray, "sample_token")
                self._samples.table.check(NO_ROW, token, f"{path.name}, token {stray['token']}")
            self._explain_links(int(number), box, chain)
        for name, shape in (("size", (3,)), ("translation", (3,)), ("num_lidar_pts", ())):
            numbers(path, boxes, name, shape)
        rotations(path, boxes)
        for box in boxes:
            token = box.get("visibility_token")
            if not isinstance(token, str | None) or token not in VISIBLE_SHARE:
                raise InputError(
                    f"{path}: the box {box['token']} has an unknown visibility_token {token!r}. Restore the row."
                )

    def _explain_links(self, number: int, box: dict, chain: set[int]) -> None:
        """Refuse a box whose `prev` is no earlier or whose `next` no later box of its object."""
        path = self.table.path
        for name, sign in (("prev", -1), ("next", 1)):
            if not box.get(name):
                continue
            other = int(self._linked[name][number])
            self.table.check(other, box[name], f"{path.name}, token {box['token']}")
            same = self._instance[other] == self._instance[number] and int(self._sample[other]) in chain
            at_us = self._samples.table["timestamp"]
            if not same or sign * (at_us[self._sample[other]] - at_us[self._sample[number]]) <= 0:
                raise InputError(
                    f"{path}: the box {self.table.tokens[other]} is out of order: it is not "
                    f"{'after' if sign > 0 else 'before'} {box['token']}, whose {name!r} it is. Restore the rows."
                )
