"""A built folder of known motion to look at, and a reader of the page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from native_layouts.nuscenes import nuscenes_tables, write_nuscenes
from PIL import Image

from st_vlm.building.build import build
from st_vlm.building.settings import BuildSettings

SCENES = ("scene-0001", "scene-0002", "scene-0003")


def build_scenes(folder: Path, video: bool = True) -> Path:
    """Three nuScenes scenes with a moving car, a parked one, a walker and a cone; returns the built folder."""
    root = write_nuscenes(folder / "nuscenes", nuscenes_tables(SCENES, samples=13), images=video)
    build(BuildSettings("nuscenes", str(root), balance="none", video=video), folder / "stkit")
    return folder / "stkit"


def metadata(folder: Path) -> Path:
    [path] = folder.glob("*/metadata.parquet")
    return path


def rewrite(path: Path, change) -> None:
    """Change the rows of a Parquet file; `change` gets one as a dict."""
    table = pq.read_table(path)
    rows = table.to_pylist()
    for row in rows:
        change(row)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)


@dataclass
class ReadPage(HTMLParser):
    """What a page holds, by Python's own parser."""

    html: str
    tags: list[tuple[str, dict]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def images(self, kind: str) -> list[bytes]:
        """The files of all pictures of a kind, such as jpeg, in their order."""
        sources = [attributes["src"] for tag, attributes in self.tags if tag == "img"]
        return pictures([source for source in sources if source.startswith(f"data:image/{kind};")])


def pictures(uris) -> list[bytes]:
    """The files in data URIs."""
    return [base64.b64decode(uri.split(";base64,")[1], validate=True) for uri in uris]


def opened(image: bytes) -> Image.Image:
    return Image.open(io.BytesIO(image)).convert("RGB")
