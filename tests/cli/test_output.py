"""Words around numbers."""

import pytest

from st_vlm.cli.output import counted


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 recordings"), (1, "1 recording"), (2, "2 recordings"), (11, "11 recordings")]
)
def test_one_is_singular(number, text):
    assert counted(number, "recording") == text


def test_a_plural_of_its_own():
    assert [counted(number, "stretch", "stretches") for number in (1, 3)] == ["1 stretch", "3 stretches"]


def test_measure_counts_in_words(st_vlm, tmp_path):
    from native_layouts.argoverse2 import argoverse2_tables, write_argoverse2

    write_argoverse2(tmp_path / "log", argoverse2_tables(11))
    (tmp_path / "log" / "city_SE3_egovehicle.feather").write_bytes(b"")
    write_argoverse2(tmp_path / "other", argoverse2_tables(11))
    code, out, err = st_vlm("measure", "argoverse2", tmp_path, "--format", "jsonl")
    assert code == 1
    assert f"{len(out.splitlines())} tracks measured" in err
    assert "1 of 2 recordings failed." in err
