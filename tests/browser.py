"""Pages in a real browser: chromium without a window, where there is one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = next(filter(None, map(shutil.which, _NAMES)), None)

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium to open it in")


def open_page(page: Path, *flags: str, fragment: str = "") -> str:
    """Open a page and fail where its console says anything.

    Args:
        page: The file.
        *flags: Further flags of chromium.
        fragment: What follows the file's name in the address.

    Returns:
        What chromium printed.
    """
    profile = page.with_name(f"{page.name}.profile")
    done = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
            "--hide-scrollbars", f"--user-data-dir={profile}", "--virtual-time-budget=15000",
            *flags, f"{page.as_uri()}{fragment}",
        ],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr, done.stderr
    return done.stdout


def look_at(page: Path, width: int, height: int = 2000, dark: bool = False) -> np.ndarray:
    """Take a picture of a page: `(height, width, 3)`, as the eye sees it, 0 to 255."""
    picture = page.with_suffix(".png")
    scheme = [f"--blink-settings=preferredColorScheme={0 if dark else 1}"]
    open_page(page, f"--screenshot={picture}", f"--window-size={width},{height}", *scheme)
    with Image.open(picture) as image:
        return np.asarray(image.convert("RGB"))


def check_page(page: Path) -> None:
    """Check what every report has to do: draw, by day and at night, and fit.

    Raises:
        AssertionError: It does not.
    """
    day, night = look_at(page, 1000), look_at(page, 1000, dark=True)
    for picture, paper in ((day, 255), (night, 25)):
        # Paper in the margin, and something on it in many places.
        assert np.abs(picture[:, :8].astype(int) - paper).max() < 10
        drawn = np.abs(picture.astype(int) - picture[0, 0]).max(axis=-1) > 60
        assert drawn.mean() > 0.005
        assert (drawn.reshape(20, -1).any(axis=1)).sum() > 5
    # On a narrow screen, wide tables scroll in themselves: the page is no wider than the screen.
    probe = page.with_name("narrow.html")
    script = (
        "<script>addEventListener('load', () => {"
        " document.title = 'width ' + document.documentElement.scrollWidth; });</script></body>"
    )
    probe.write_text(page.read_text().replace("</body>", script))
    found = open_page(probe, "--dump-dom", "--window-size=500,900")
    assert "<title>width 500</title>" in found, found[:300]
    # On paper: a whole document of several pages.
    printed = page.with_suffix(".pdf")
    open_page(page, f"--print-to-pdf={printed}")
    assert printed.read_bytes().count(b"/Type /Page\n") >= 1
