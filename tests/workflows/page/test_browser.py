"""The page in a real browser, from disk: what it shows, what it asks for, and how wide it is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from page_of import write_run
from projgan.workflows.report import report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="skipped: there is no browser here (apt install chromium chromium-driver)",
)
HOSTILE = "<img src=x onerror=alert(1)>"
SEEN = """return Array.from(document.querySelectorAll("[data-images]"))
  .filter((grid) => !grid.hidden).map((grid) => Number(grid.dataset.images))"""
CONTRASTS = """
const light = (colour) => {
  const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
};
const ground = (node) => {
  for (; node; node = node.parentElement) {
    const colour = getComputedStyle(node).backgroundColor;
    if (!/, 0\\)$/.test(colour)) return colour;
  }
  return "rgb(255, 255, 255)";
};
const ratio = (one, other) => {
  const [a, b] = [light(one), light(other)].sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05);
};
const words = Array.from(document.querySelectorAll("body *")).filter((node) =>
  node.offsetParent && Array.from(node.childNodes).some((n) => n.nodeType === 3 && n.data.trim()));
const lines = Array.from(document.querySelectorAll("svg polyline"));
const marks = Array.from(document.querySelectorAll("svg text"));
return {
  text: Math.min(...words.map((node) => ratio(getComputedStyle(node).color, ground(node)))),
  axis: Math.min(...marks.map((node) => ratio(getComputedStyle(node).fill, ground(node)))),
  line: Math.min(...lines.map((node) => ratio(getComputedStyle(node).stroke, ground(node)))),
};
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    run = write_run(tmp_path_factory.mktemp("runs") / HOSTILE)
    return report(run).path.resolve().as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    webdriver = pytest.importorskip(
        "selenium.webdriver", reason="skipped: selenium is not installed (pip install selenium)"
    )
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for word in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{word}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def show(browser: Any, page: str, *, width: int = 1280, theme: str = "light") -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
    browser.get(page)


def test_it_asks_for_nothing_and_complains_of_nothing(browser: Any, page: str) -> None:
    browser.get_log("performance")
    show(browser, page)
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in asked if not url.startswith("data:")] == [page]
    broken = "return Array.from(document.images).filter((one) => !one.naturalWidth).length"
    assert browser.execute_script(broken) == 0
    assert browser.find_element("tag name", "h1").text == HOSTILE


def test_its_policy_stops_a_script_that_is_not_its_own(browser: Any, page: str) -> None:
    show(browser, page)
    browser.execute_script("""
      const script = document.createElement("script");
      script.textContent = "document.documentElement.dataset.stranger = 'ran'";
      document.body.append(script);
      document.body.insertAdjacentHTML("beforeend", "<b style='color: red' id='tinted'>x</b>");
    """)
    assert browser.execute_script("return document.documentElement.dataset.stranger") is None
    complaints = [entry["message"] for entry in browser.get_log("browser")]
    assert len([text for text in complaints if "Content Security Policy" in text]) == 2


def test_the_slider_is_moved_by_keys_and_named(browser: Any, page: str) -> None:
    from selenium.webdriver.common.keys import Keys

    show(browser, page)
    slider = browser.find_element("id", "when")
    assert slider.accessible_name == "images seen"
    assert browser.execute_script(SEEN) == [32]
    slider.send_keys(Keys.ARROW_LEFT)
    assert browser.execute_script(SEEN) == [16]
    assert slider.get_attribute("aria-valuetext") == "16"
    caption = browser.find_element("css selector", "figcaption .shown")
    assert caption.text == "16"
    where = "return document.querySelector('svg .now').getAttribute('x1')"
    before = float(browser.execute_script(where))
    slider.send_keys(Keys.HOME)
    assert browser.execute_script(SEEN) == [0]
    assert float(browser.execute_script(where)) < before


def test_play_goes_through_all_grids_and_stops(browser: Any, page: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    show(browser, page)
    play = browser.find_element("id", "play")
    play.click()
    assert browser.execute_script(SEEN) == [0]
    wait = WebDriverWait(browser, 20)
    wait.until(lambda driver: driver.execute_script(SEEN) == [32])
    wait.until(lambda driver: play.get_attribute("aria-pressed") == "false")


def test_the_language_can_be_changed(browser: Any, page: str) -> None:
    show(browser, page)
    title = browser.find_element("id", "samples-title")
    assert title.text == "Samples over time"
    browser.find_element("css selector", "[data-speak=ja]").click()
    assert title.text == "サンプルの移り変わり"
    assert browser.find_element("tag name", "html").get_attribute("lang") == "ja"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everything_can_be_read_and_fits_on_a_phone(browser: Any, page: str, theme: str) -> None:
    """WCAG: 4.5 for text, 3 for lines of a chart."""
    show(browser, page, width=360, theme=theme)
    browser.find_element("tag name", "summary").click()
    wide = "return document.documentElement.scrollWidth - window.innerWidth"
    assert browser.execute_script(wide) == 0
    ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 26)"}[theme]
    found = browser.execute_script(CONTRASTS)
    assert found["text"] >= 4.5 and found["axis"] >= 4.5 and found["line"] >= 3, found
