"""`st-vlm view` as its users run it."""

import shutil
import subprocess
import sys

import pytest
from viewed import ReadPage, build_scenes, metadata


@pytest.fixture(scope="module")
def built_once(tmp_path_factory):
    return build_scenes(tmp_path_factory.mktemp("viewed"))


@pytest.fixture
def built(built_once, tmp_path):
    return shutil.copytree(built_once, tmp_path / "stkit")


def test_it_writes_a_page_and_says_what_it_shows(st_vlm, built, tmp_path):
    code, out, err = st_vlm("view", built, "--out", tmp_path / "page.html", "--most", 2)
    assert (code, out) == (0, "")
    assert "2 of " in err
    assert "from 2 recordings" in err
    assert len(ReadPage((tmp_path / "page.html").read_text()).images("svg+xml")) == 2


def test_an_earlier_page_is_replaced_and_no_other_file(st_vlm, built, tmp_path):
    page = tmp_path / "page.html"
    assert st_vlm("view", built, "--out", page, "--recording", "scene-0001")[0] == 0
    first = page.read_bytes()
    assert st_vlm("view", built, "--out", page, "--recording", "scene-0002")[0] == 0
    assert page.read_bytes() != first
    page.write_text("<html>my own notes</html>")
    code, _, err = st_vlm("view", built, "--out", page)
    assert code == 2
    assert "no page of st-vlm view" in err
    assert page.read_text() == "<html>my own notes</html>"


def test_a_missing_video_is_named_and_the_page_written(st_vlm, built, tmp_path):
    gone = sorted(metadata(built).parent.glob("clips/*.mp4"))[-1]
    gone.unlink()
    code, _, err = st_vlm("view", built, "--out", tmp_path / "page.html")
    assert code == 1
    assert f"{gone.stem}: There is no video at" in err
    assert "There is no video at" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nowhere", "--out", "PAGE"), "no folder nowhere"),
        (("EMPTY", "--out", "PAGE"), "st-vlm build wrote"),
        (("BUILT", "--out", "gone/page.html"), "no folder gone"),
        (("BUILT", "--out", "EMPTY"), "is a folder"),
        (("BUILT", "--out", "PAGE", "--recording", "scene-9"), "no recording 'scene-9' here: there are scene-0001"),
        (("BUILT", "--out", "PAGE", "--split", "dev"), "no split 'dev'"),
    ],
)
def test_refusals_are_one_sentence_and_leave_nothing(st_vlm, built, tmp_path, arguments, sentence):
    (tmp_path / "empty").mkdir()
    places = {"BUILT": built, "EMPTY": tmp_path / "empty", "PAGE": tmp_path / "page.html"}
    before = sorted(tmp_path.rglob("*"))
    code, out, err = st_vlm("view", *(places.get(a, a) for a in arguments))
    assert (code, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("library", ["jinja2", "matplotlib"])
def test_a_missing_library_is_a_sentence(st_vlm, built, tmp_path, monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    code, _, err = st_vlm("view", built, "--out", tmp_path / "page.html")
    assert code == 2
    assert f'A page needs {library}: install it with pip install "st-vlm[view]".' in err
    assert not (tmp_path / "page.html").exists()


def test_help_loads_no_drawing_library():
    code = (
        "import sys; from st_vlm.cli.main import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "import st_vlm; print([n for n in ('matplotlib', 'jinja2', 'av', 'torch') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "view" in done.stdout
