"""A real browser shows the report on a phone and on a desk: nothing is cut or left out."""

import html
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from asset_predict_dagster_tests.evaluation.report_inputs import walk_forward_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PHONES, DESKS = (360, 390), (768, 1280)

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="the browser is not here: apt-get install chromium"
)

# The page is shown in frames of each width, which a browser's own window cannot be on a desk.
_MEASURE = """
<script>
addEventListener("load", () => {
  const found = [...document.querySelectorAll("iframe")].map(frame => {
    const page = frame.contentDocument, width = page.documentElement.clientWidth;
    const boxes = [...page.querySelectorAll("body *:not(details:not([open]) *)")]
      .filter(one => !one.closest(".scroll table, thead"));
    const images = [...page.images];
    return {
      asked: frame.width,
      width: width,
      scrolls: page.documentElement.scrollWidth,
      outside: boxes.filter(one => one.getBoundingClientRect().right > width + 1)
        .map(one => one.outerHTML.slice(0, 80)),
      images: images.length,
      loaded: images.filter(one => one.complete && one.naturalWidth > 0).length,
      narrowest: Math.min(...images.map(one => one.getBoundingClientRect().width)),
    };
  });
  document.body.textContent = "measured" + JSON.stringify(found) + "measured";
});
</script>
"""


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> dict[int, dict]:
    """Width of the screen → what a browser made of the page."""
    folder = tmp_path_factory.mktemp("browser")
    content = html.escape(walk_forward_page(), quote=True)
    frames = "".join(
        f'<iframe width="{width}" height="800" srcdoc="{content}"></iframe>'
        for width in PHONES + DESKS
    )
    outer = folder / "frames.html"
    outer.write_text(f"<!doctype html><body>{frames}{_MEASURE}</body>", encoding="utf-8")
    said = json.loads(html.unescape(_dump(outer, folder / "profile").split("measured")[1]))
    return {int(one["asked"]): one for one in said}


def _dump(page: Path, profile: Path) -> str:
    flags = (
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        "--hide-scrollbars",
        *(f"--user-data-dir={profile}", "--virtual-time-budget=20000", "--dump-dom"),
    )
    done = subprocess.run(
        [str(CHROMIUM), *flags, page.as_uri()], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("width", PHONES + DESKS)
def test_nothing_reaches_beyond_the_screen(measured, width):
    assert measured[width]["scrolls"] <= measured[width]["width"]
    assert measured[width]["outside"] == []


@pytest.mark.parametrize("width", PHONES + DESKS)
def test_every_picture_is_there_and_wide_enough_to_read(measured, width):
    assert measured[width]["images"] == measured[width]["loaded"] == 14
    assert measured[width]["narrowest"] >= 320
