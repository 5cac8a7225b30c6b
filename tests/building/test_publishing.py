"""What of a folder is published, and the card that tells of it."""

import shutil
from pathlib import Path

import pytest
import yaml
from gated_builds import contents
from published import free, mixed, note_of, publish, restricted, rows_of

from st_vlm.building.card_header import HUB_LICENCES, licence_fields, size_category
from st_vlm.building.card_sections import COLUMNS
from st_vlm.building.publishing import may_go_along
from st_vlm.building.tables import card_of, open_tables
from st_vlm.errors import InputError
from st_vlm.questions.rows import ROW_SCHEMA
from st_vlm.recordings import SOURCE_NAMES, source_class


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, Path]:
    """A restricted set and a free one."""
    folder = tmp_path_factory.mktemp("built")
    return restricted(folder)[0], free(folder)


def header_of(folder: Path) -> dict:
    return yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])


def clips_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*.mp4")}


def test_clips_that_may_not_be_passed_on_stay_and_their_rows_go(built, tmp_path):
    found = publish(built[0], tmp_path / "out")
    assert clips_of(tmp_path / "out") == set()
    clips = {row["clip_id"] for row in rows_of(built[0])}
    assert found.left_out == {"nuscenes": len(clips)} == note_of(tmp_path / "out")["clips_left_out"]
    published = rows_of(tmp_path / "out")
    for row, before in zip(published, rows_of(built[0]), strict=True):
        assert row.pop("video") is None
        before.pop("file_name")
        assert row == before
        assert row["source_frames"]
    card = (tmp_path / "out" / "README.md").read_text()
    assert "st-vlm attach-media org/stkit --source nuscenes" in card
    assert 'load_dataset("org/stkit")' in card


def test_clips_that_are_free_go_along(built, tmp_path):
    found = publish(built[1], tmp_path / "out")
    assert found.left_out == {}
    assert found.clips == len(clips_of(built[1])) > 0
    same, before = contents(tmp_path / "out"), contents(built[1])
    assert {path for path in before if before[path] != same.get(path)} == {"README.md"}
    assert "attach-media" not in (tmp_path / "out" / "README.md").read_text()


def test_of_a_mixed_set_each_row_follows_its_own_source(built, tmp_path):
    both = mixed(tmp_path, built[1], built[0])
    publish(both, tmp_path / "out")
    assert clips_of(tmp_path / "out") == clips_of(built[1])
    for split in ("train", "test"):
        for row in rows_of(tmp_path / "out", split):
            assert (row["file_name"] is None) == (row["source"] == "nuscenes")
    assert {row["source"] for row in rows_of(tmp_path / "out")} == {"nuscenes", "simulated"}
    header = header_of(tmp_path / "out")
    assert header["license"] == ["cc-by-nc-sa-4.0", "cc0-1.0"]
    text = (tmp_path / "out" / "README.md").read_text()
    assert "Clips of nuScenes (" in text
    assert "Simulated scenes" in text


def test_a_publisher_may_take_conditions_upon_him_but_not_break_a_ban(built, tmp_path):
    found = publish(built[0], tmp_path / "out", share=["nuscenes"])
    assert found.left_out == {}
    assert clips_of(tmp_path / "out") == clips_of(built[0])
    with pytest.raises(InputError, match="does not let its images be passed on"):
        publish(built[0], tmp_path / "other", share=["ego_exo4d"])
    with pytest.raises(InputError, match="does not say"):
        publish(built[0], tmp_path / "third", share=["elsewhere"])


def test_no_clip_goes_where_none_is_to(built, tmp_path):
    assert publish(built[1], tmp_path / "out", clips=False).left_out["simulated"] > 0
    assert clips_of(tmp_path / "out") == set()


def test_sources_of_real_recordings_stay_at_home_unless_named():
    homes = {name for name in SOURCE_NAMES if not may_go_along(name, source_class(name).card.licence, None)}
    assert homes == set(SOURCE_NAMES) - {"simulated"}
    assert not may_go_along("somebody's", "CC0-1.0", None)
    assert not may_go_along("simulated", "CC-BY-NC-SA-4.0", None)
    assert not may_go_along("ego_exo4d", "Ego-Exo4D License", None, share=["ego_exo4d"])


def test_no_module_is_imported_at_a_rows_word(built, tmp_path):
    assert not may_go_along("antigravity:Fly", "CC0-1.0", None)


def test_what_no_build_writes_stays(built, tmp_path):
    shutil.copytree(built[1], tmp_path / "in")
    (tmp_path / "in" / "credentials.json").write_text("{}")
    (tmp_path / "in" / "view.html").write_text("<p>")
    found = publish(tmp_path / "in", tmp_path / "out")
    assert found.not_ours == ("credentials.json", "view.html")
    assert not {"credentials.json", "view.html"} & set(found.files)


def test_a_missing_clip_is_told_before_anything_is_sent(built, tmp_path):
    shutil.copytree(built[1], tmp_path / "in")
    lost = sorted((tmp_path / "in").rglob("*.mp4"))[0]
    lost.unlink()
    with pytest.raises(InputError, match=lost.name):
        publish(tmp_path / "in", tmp_path / "out")


@pytest.mark.parametrize("broken", ["stkit.json", "train/metadata.parquet"])
def test_a_broken_folder_is_refused(built, tmp_path, broken):
    shutil.copytree(built[1], tmp_path / "in")
    (tmp_path / "in" / broken).write_bytes(b"PAR1 or {")
    with pytest.raises(InputError, match=broken.split("/")[-1]):
        publish(tmp_path / "in", tmp_path / "out")
    with pytest.raises(InputError, match="There is no folder"):
        publish(tmp_path / "nowhere", tmp_path / "other")


def test_the_card_tells_counts_columns_balance_and_limits(built):
    card = card_of(open_tables(built[0]))
    rows = rows_of(built[0])
    for task in {row["task"] for row in rows}:
        assert f"| `{task}` | {sum(row['task'] == task for row in rows)} |" in card
    assert f"| all | {len(rows)} |" in card
    for name in ("video", *ROW_SCHEMA.names):
        assert f"| `{name}` | {COLUMNS[name]} |" in card
    assert "## Known limits" in card
    assert "| `traveled_distance` | constant |" in card
    assert card == (built[0] / "README.md").read_text()


def test_the_card_of_a_folder_without_balance_has_no_such_section(built, tmp_path):
    shutil.copytree(built[1], tmp_path / "in")
    (tmp_path / "in" / "balance.json").unlink()
    assert "## Balance" not in card_of(open_tables(tmp_path / "in"))


def test_licences_are_named_as_the_hub_names_them():
    assert {source_class(name).card.licence for name in SOURCE_NAMES} - set(HUB_LICENCES) == {
        "Ego-Exo4D License",
        "unknown",
    }
    assert licence_fields(["CC-BY-NC-SA-4.0"]) == {"license": "cc-by-nc-sa-4.0"}
    assert licence_fields(["CC0-1.0", "Own Terms"]) == {"license": ["cc0-1.0", "other"], "license_name": "own-terms"}
    assert size_category(0) == "n<1K"
    assert size_category(20_000) == "10K<n<100K"
