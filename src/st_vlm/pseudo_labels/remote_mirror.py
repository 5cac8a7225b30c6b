"""The launching side of a run whose stages are made elsewhere: what they need goes to the remote folder, what they
made comes back into the run's own.

The run's folder alone says what is done. Notes of what lies the same in both tell a result that has not been fetched
yet, for this side was killed, from one that was taken away here to be made again.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.files import CLIP_FILE, CLIPS, FAILED_FILE, PROBED, RUN_FILE, read_json, whole_file
from st_vlm.pseudo_labels.named_files import NamedFiles, named_files
from st_vlm.pseudo_labels.remote_notes import RemoteNotes
from st_vlm.pseudo_labels.remote_steps import FILES, LAUNCH_FILE, VIDEOS, WORK, Share, results_of
from st_vlm.pseudo_labels.remote_store import RemoteStore, in_parallel
from st_vlm.pseudo_labels.run_settings import STAGES, RunSettings
from st_vlm.pseudo_labels.stages import Run
from st_vlm.pseudo_labels.unfinished import STAGE_FILES, input_files
from st_vlm.questions.clips import file_name

# The only stages that look at no image.
_WITHOUT_IMAGES = ("lift",)


class RemoteMirror:
    """A run's folder and its remote one.

    Args:
        run: The run.
        store: The remote folder.
        notes: File for the notes.

    Raises:
        InputError: The store cannot be reached, or holds another run.
    """

    def __init__(self, run: Run, store: RemoteStore, notes: Path) -> None:
        self._run, self._store, self._out = run, store, run.out.absolute()
        self._notes = RemoteNotes(notes, store.url)
        self._changed: str | None = None
        if store.has(RUN_FILE):
            found = store.read_json(RUN_FILE)
            if found.get("id") != self._notes.id:
                raise InputError(f"{store.url} holds another run. Choose another remote folder, or remove that one.")
            self._changed = run.settings.first_changed(RunSettings.from_json(found["settings"]))
        self._launches: list[str] = []

    def bring(self, stage: str, items: Sequence[str]) -> list[str]:
        """Bring what a stage needs of these items, all of them due, to the remote folder.

        Returns:
            The items that it is still to be made of there; of the others its result waits to be fetched.

        Raises:
            InputError: The store cannot be reached.
        """
        there = self._listed(PROBED) | self._listed(CLIPS)
        stale = self._stale(stage, items, there)
        self._store.remove(sorted(stale))
        left = there.keys() - stale
        todo = [item for item in items if not any(name in left for name in results_of(stage, item))]
        self._write(RUN_FILE, {"id": self._notes.id, "settings": self._run.settings.as_json()})
        if stage != "probe":
            names = (f"{CLIPS}/{item}/{name}" for item in todo for name in self._inputs(stage, item))
            self._send([(name, self._out / name) for name in names], left)
        videos = {video for item in todo if (video := self._video(stage, item)) is not None}
        folder = self._run.settings.folder
        self._send([(f"{VIDEOS}/{video}", folder / video) for video in sorted(videos)], self._listed(VIDEOS))
        return todo

    def share_out(self, stage: str, todo: Sequence[str], tasks: int) -> str:
        """Write what each task of a stage is to do; task r of w gets items r, r + w, ...

        Returns:
            The launch's name; tasks of launches before it end.

        Raises:
            InputError: The store cannot be reached.
        """
        launch = f"{stage}-{secrets.token_hex(4)}"
        named = named_files(self._run, stage)
        self._send([(f"{FILES}/{name}", file) for name, file in named.files.items()], self._listed(FILES))
        self._write(LAUNCH_FILE, {"launch": launch})
        in_parallel(
            lambda rank: self._write(
                f"{WORK}/{launch}/{rank:05d}.json", self._share(stage, todo[rank::tasks], named).as_json()
            ),
            range(tasks),
        )
        self._launches += [f"{WORK}/{launch}/{rank:05d}.json" for rank in range(tasks)]
        return launch

    def fetch(self, stage: str, items: Sequence[str]) -> None:
        """Fetch what the stage made of these items.

        Raises:
            InputError: The store cannot be reached, or what is there cannot be.
        """
        there = self._listed(PROBED if stage == "probe" else CLIPS)
        found = [name for item in items for name in [n for n in results_of(stage, item) if n in there][:1]]
        in_parallel(self._fetch_probed if stage == "probe" else self._fetch, found)
        self._store.remove(self._launches)
        self._launches = []

    def _fetch_probed(self, name: str) -> None:
        """A video's clips, and then its note, which says that they are there."""
        with TemporaryDirectory(prefix="st-vlm-") as folder:
            note = Path(folder) / "note.json"
            self._store.fetch(name, note)
            clips = read_json(note)["clips"]
        for clip_id in clips:
            if clip_id != file_name(clip_id) or clip_id.startswith("."):
                raise InputError(f"{self._store.url}/{name} names a clip {clip_id!r}, which no run does. Remove it.")
            self._fetch(f"{CLIPS}/{clip_id}/{CLIP_FILE}")
        self._fetch(name)

    def _fetch(self, name: str) -> None:
        file = self._out / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(file) as temporary:
            self._store.fetch(name, temporary)
            # First: killed in between, it is made once more, and not kept when it should be made again.
            self._notes.add(name, temporary)

    def _stale(self, stage: str, items: Sequence[str], there: Iterable[str]) -> set[str]:
        """What is there of an earlier making of these items, by this stage and those behind it."""
        changed = self._changed is not None and STAGES.index(self._changed) <= STAGES.index(stage)
        by_clip: dict[str, list[str]] = {}
        for name in there:
            if name.startswith(f"{CLIPS}/"):
                by_clip.setdefault(name.split("/")[1], []).append(name)
        if stage == "probe":
            notes = {name for item in items for name in results_of(stage, item)}
            stale = {name for name in notes if name in there and (changed or name in self._notes)}
            # Also where a note is still to come: whatever lies there is of an earlier probe.
            of = tuple(f"{Path(name).stem}-" for name in notes if name in stale or name not in there)
            return stale | {n for clip, names in by_clip.items() if of and clip.startswith(of) for n in names}
        behind = [name for other, name in STAGE_FILES.items() if STAGES.index(other) > STAGES.index(stage)]
        stale = set()
        for item in items:
            names = set(by_clip.get(item, ()))
            stale |= names & {f"{CLIPS}/{item}/{name}" for name in behind}
            for name in names & set(results_of(stage, item)):
                if changed or name in self._notes or self._is_of_another(stage, name):
                    stale.add(name)
        return stale

    def _is_of_another(self, stage: str, name: str) -> bool:
        return name.endswith(f"/{FAILED_FILE}") and self._store.read_json(name).get("stage") != stage

    def _inputs(self, stage: str, item: str) -> list[str]:
        folder = self._out / CLIPS / item
        return [name for name in (CLIP_FILE, *input_files(self._run, stage)) if (folder / name).is_file()]

    def _video(self, stage: str, item: str) -> str | None:
        if stage in _WITHOUT_IMAGES:
            return None
        return item if stage == "probe" else Clip.read(self._out / CLIPS / item / CLIP_FILE).video

    def _share(self, stage: str, items: Sequence[str], named: NamedFiles) -> Share:
        of_items, videos = [], []
        for item in items:
            inputs = [] if stage == "probe" else self._inputs(stage, item)
            of_items.append([item, self._video(stage, item), inputs])
            if stage == "probe":
                videos.append(asdict(self._run.videos[item]))
        shown = [video for _, video, _ in of_items if video is not None]
        return Share(
            settings=self._run.settings.as_json(),
            out=str(self._run.out),
            options={key: list(option) for key, option in named.options.items()},
            files=named.of(items, shown),
            items=of_items,
            videos=videos,
        )

    def _listed(self, folder: str) -> dict[str, int]:
        return {f"{folder}/{name}": size for name, size in self._store.sizes(folder).items()}

    def _send(self, files: Sequence[tuple[str, Path]], there: Iterable[str]) -> None:
        """Send those that are not there, or have changed since they were sent or fetched."""

        def send(one: tuple[str, Path]) -> None:
            name, file = one
            self._store.send(file, name)
            self._notes.add(name, file)

        there = set(there)
        in_parallel(send, [(n, file) for n, file in files if n not in there or not self._notes.is_same(n, file)])

    def _write(self, name: str, value: dict) -> None:
        with TemporaryDirectory(prefix="st-vlm-") as folder:
            self._store.write_json(name, value, Path(folder))
