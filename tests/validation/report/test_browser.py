"""The report works in a real browser: its layout, links, slider, colors, print and accessibility."""

import json

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

COLOR_OF_GROUND = "return getComputedStyle(document.body).backgroundColor"

# WCAG 2.1: contrast of every visible text with the nearest opaque ground behind it.
LOW_CONTRAST = """
const parse = (text) => text.match(/[\\d.]+/g).map(Number);
const light = (c) => c.slice(0, 3).map((v) => v / 255)
  .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const ground = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const color = parse(getComputedStyle(at).backgroundColor);
    if (color.length < 4 || color[3] === 1) return color;
  }
};
const texts = [...document.querySelectorAll("body *")].filter((e) =>
  e.getClientRects().length && !["SCRIPT", "STYLE"].includes(e.tagName) && !e.closest("svg, .stack") &&
  [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()));
return [texts.length, texts.filter((e) => {
  const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05) < 4.5;
}).map((e) => e.outerHTML.slice(0, 120))];
"""


def cases_of(page, section):
    return page.find_elements(By.CSS_SELECTOR, f"#artifact-{section} details.case")


def shown(cases):
    return [case.get_attribute("data-status") for case in cases if case.is_displayed()]


def test_titles_say_what_there_is(any_page):
    assert any_page.title in (
        "1 of 3 artifacts can ship – compared with the reference",
        "Latency on 2 targets",
    )


def test_page_is_quiet_and_fetches_nothing(any_page):
    assert any_page.get_log("browser") == []
    entries = any_page.get_log("performance")
    messages = [json.loads(entry["message"])["message"] for entry in entries]
    address = any_page.current_url
    asked = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
        and message["params"]["documentURL"] == address  # not the browser's own first page
    ]
    assert [url for url in asked if not url.startswith("data:")] == [address]


PLACES = """
return Object.fromEntries(Object.entries(arguments[0]).map(([name, selector]) => {
  const box = document.querySelector(selector).getBoundingClientRect();
  return [name, [box.left, box.top, box.right, box.bottom]];
}));
"""
FIRST_SCREEN = {
    "verdict": "h1",
    "worst case": ".worst h2",
    "slider": ".worst .stack:has(.split)",
    "its legend": ".worst figure:has(.split) figcaption",
    "disagreement": ".worst .stack[role=img]",
    "its numbers": ".worst figure:has([role=img]) figcaption",
}


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)], ids=["desktop", "phone"])
@pytest.mark.parametrize("ratio", [None, 0.5, 0.75, 1.5, 3], ids=lambda ratio: f"ratio {ratio}")
def test_pictures_are_on_the_first_screen(page, emulate, width, height, ratio):
    emulate(width=width, height=height)
    if ratio is not None:  # of photos in other shapes
        page.execute_script(
            "for (const figure of document.querySelectorAll('.worst figure'))"
            "  figure.style.setProperty('--ratio', arguments[0]);",
            ratio,
        )
    for name, (left, top, right, bottom) in page.execute_script(PLACES, FIRST_SCREEN).items():
        assert 0 <= left < right <= width, name
        assert 0 <= top < bottom <= height, name
        if name in ("slider", "disagreement"):  # large enough to see something
            assert right - left >= 105, name
            assert (right - left) * (bottom - top) >= 105 * 210, name


def test_many_artifacts_do_not_push_the_pictures_away(page, emulate):
    page.execute_script(
        "const list = document.querySelector('.ships ul');"
        "for (let i = 0; i < 12; i++) list.append(list.firstElementChild.cloneNode(true));"
    )
    for width, height in ((1280, 800), (390, 844)):
        emulate(width=width, height=height)
        boxes = page.execute_script(PLACES, FIRST_SCREEN).values()
        assert all(0 <= box[1] < box[3] <= height for box in boxes)


def test_long_names_do_not_push_the_pictures_away(page, emulate):
    page.execute_script(
        "for (const element of document.querySelectorAll('h1, .worst h2 .muted, .worst p'))"
        "  element.append(' and a/very/long/path'.repeat(40));"
    )
    for width, height in ((1280, 800), (390, 844)):
        emulate(width=width, height=height)
        boxes = page.execute_script(PLACES, FIRST_SCREEN).values()
        assert all(0 <= box[1] < box[3] <= height for box in boxes)


def test_head_says_by_name_which_artifacts_can_ship(page):
    head = page.find_element(By.CSS_SELECTOR, ".ships")
    titles = [title.text for title in head.find_elements(By.TAG_NAME, "h2")]
    assert titles == ["PASS can ship", "FAIL cannot ship", "NOT RUN cannot be judged here"]
    lists = head.find_elements(By.TAG_NAME, "ul")
    assert [len(item.find_elements(By.TAG_NAME, "li")) for item in lists] == [1, 1, 1]
    passed, failed, skipped = (item.text for item in lists)
    assert "7 cases passed" in passed
    assert "2 of 7 cases failed; the image encoder is to blame." in failed
    assert "Core ML needs a Mac." in skipped
    rows = page.find_elements(By.CSS_SELECTOR, ".overview tbody tr")
    badges = [row.find_element(By.CSS_SELECTOR, ".badge").text for row in rows]
    assert badges == ["PASS", "FAIL", "NOT RUN"]
    links = head.find_elements(By.CSS_SELECTOR, "li a")
    assert [link.get_attribute("hash") for link in links] == [
        f"#artifact-{number}" for number in (1, 2, 3)
    ]


def test_not_run_and_not_proven_differ_in_color_as_well(page, emulate):
    for scheme in ("light", "dark"):
        emulate(scheme)
        colors = page.execute_script(
            "const badge = document.querySelector('.badge');"
            "return ['passed', 'failed', 'not-proven', 'not-run'].map((name) => {"
            "  badge.className = `badge ${name}`; return getComputedStyle(badge).color; });"
        )
        assert len(set(colors)) == 4


# [hint is visible, it scrolls, role, label, tab stop] of every table or plot that is on show.
SCROLLING = """
return [...document.querySelectorAll('.scroll')].filter((e) => e.checkVisibility()).map((e) => [
  e.previousElementSibling.checkVisibility(), e.scrollWidth > e.clientWidth + 1,
  e.getAttribute('role'), e.getAttribute('aria-label'), e.tabIndex]);
"""


@pytest.mark.parametrize("width", [390, 1280])
def test_what_scrolls_sideways_says_so(any_page, emulate, width):
    emulate(width=width, height=844)
    any_page.execute_script(
        "for (const details of document.querySelectorAll('details')) details.open = true"
    )
    any_page.execute_async_script("requestAnimationFrame(() => setTimeout(arguments[0], 50))")
    found = any_page.execute_script(SCROLLING)
    assert len(found) >= 3
    for hint, scrolls, role, label, stop in found:
        assert hint == scrolls
        assert role == ("region" if scrolls else None)
        assert (label or "").endswith(", scrolls sideways") == scrolls
        assert stop == (0 if scrolls else -1)
    assert any(scrolls for _, scrolls, *_ in found) == (width == 390)


def test_a_hint_appears_when_the_window_gets_narrow(page, emulate):
    hint = page.find_element(By.CSS_SELECTOR, ".overview .scroll-hint")
    assert not hint.is_displayed()
    emulate(width=390)
    page.execute_async_script("requestAnimationFrame(() => setTimeout(arguments[0], 50))")
    assert hint.is_displayed()
    assert hint.text == "Scroll sideways to see the rest →"


def test_a_link_unfolds_its_case(page):
    folded = page.find_element(By.CSS_SELECTOR, "details.case:not([open])")
    page.execute_script("location.hash = arguments[0]", folded.get_attribute("id"))
    page.execute_async_script("setTimeout(arguments[0], 50)")
    assert folded.get_attribute("open") is not None
    target = page.find_element(By.CSS_SELECTOR, ".worst h2 a").get_attribute("hash")
    assert page.find_element(By.CSS_SELECTOR, target).get_attribute("open") is not None


def test_page_is_of_use_without_scripts(chromium, report, emulate):
    chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        chromium.get((report / "report.html").as_uri())
        emulate(width=390, height=844)
        assert chromium.find_element(By.CSS_SELECTOR, ".worst .stack").is_displayed()
        for control in ("button", ".split", ".toolbar"):
            shown = chromium.find_elements(By.CSS_SELECTOR, control)
            assert shown
            assert not any(element.is_displayed() for element in shown)
        region = chromium.find_element(By.CSS_SELECTOR, ".overview .scroll")
        assert region.get_attribute("aria-label") == "Artifacts"
        assert "gradient" in region.value_of_css_property("background-image")
    finally:
        chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_policy_stops_foreign_scripts_and_requests(page):
    page.execute_script(
        "const script = document.createElement('script'); script.textContent = 'window.evil = 1';"
        "document.body.append(script);"
        "const image = new Image(); image.src = 'https://example.org/x.png';"
        "document.body.append(image);"
    )
    assert page.execute_script("return window.evil") is None
    log = " ".join(entry["message"] for entry in page.get_log("browser"))
    assert "script-src" in log
    assert "img-src" in log


def test_pictures_are_drawn(page):
    broken = page.execute_async_script(
        "const done = arguments[0];"
        "Promise.all([...document.querySelectorAll('.store image')].map(async (element) => {"
        "  const image = new Image(); image.src = element.href.baseVal;"
        "  await image.decode().catch(() => {});"
        "  return image.naturalWidth === Number(element.getAttribute('width'));"
        "})).then(done);"
    )
    assert len(broken) > 20
    assert all(broken)
    assert page.execute_script(
        "return [...document.querySelectorAll('use')]"
        ".every((use) => document.querySelector(use.getAttribute('href')))"
    )


def test_slider_moves_the_divider(page):
    slider = page.find_element(By.CSS_SELECTOR, "details.case[open] input.split")
    stack = slider.find_element(By.XPATH, "..")
    artifact = stack.find_element(By.CSS_SELECTOR, ".artifact")
    assert artifact.value_of_css_property("clip-path") == "inset(0px 0px 0px 50%)"
    slider.send_keys(Keys.ARROW_RIGHT * 3)
    assert artifact.value_of_css_property("clip-path") == "inset(0px 0px 0px 53%)"
    reference = stack.find_element(By.CSS_SELECTOR, ".reference")
    assert "47%" in reference.value_of_css_property("clip-path")
    assert slider.get_attribute("aria-valuetext") == "53 % reference"
    slider.send_keys(Keys.END)
    assert "100%" in artifact.value_of_css_property("clip-path")


def test_filter_hides_passed_cases(page):
    cases = cases_of(page, 2)
    assert shown(cases) == ["failed"] * 2 + ["passed"] * 5
    buttons = page.find_elements(By.CSS_SELECTOR, "#artifact-2 .toolbar button")
    page.execute_script("arguments[0].click()", buttons[1])
    assert shown(cases) == ["failed"] * 2
    assert [button.get_attribute("aria-pressed") for button in buttons] == ["false", "true"]
    status = page.find_element(By.CSS_SELECTOR, "#artifact-2 .toolbar [role=status]")
    assert status.text == "2 of 7 shown"
    assert len(shown(cases_of(page, 1))) == len(cases_of(page, 1))  # another artifact's stay
    page.execute_script("arguments[0].click()", buttons[0])
    assert len(shown(cases)) == 7


def test_failed_and_worst_cases_are_open(page):
    for section in (1, 2):
        states = [case.get_attribute("open") is not None for case in cases_of(page, section)]
        assert states == [True] * 3 + [False] * (len(states) - 3)


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_colors_follow_the_system_and_are_legible(any_page, emulate, scheme, dark):
    emulate(scheme)
    brightness = max(map(int, any_page.execute_script(COLOR_OF_GROUND)[4:-1].split(",")))
    assert brightness < 64 if dark else brightness > 192
    count, low = any_page.execute_script(LOW_CONTRAST)
    assert count > 80
    assert low == []


@pytest.mark.parametrize("width", [400, 700, 1280])
def test_nothing_overflows(any_page, emulate, width):
    emulate(width=width)
    root = "document.documentElement"
    assert any_page.execute_script(f"return {root}.scrollWidth <= {root}.clientWidth")
    wider = any_page.execute_script(
        "return [...document.querySelectorAll('.body > *, .figures > *, .columns > *')]"
        ".filter((e) => e.scrollWidth > e.clientWidth + 1 && e.getClientRects().length)"
        ".map((e) => `${e.scrollWidth} > ${e.clientWidth}: ${e.innerText}`)"
    )
    assert wider == []


def test_paper_is_light_and_wide_enough(any_page, emulate):
    emulate("dark", width=720, media="print")  # A4 less its margins
    assert any_page.execute_script(COLOR_OF_GROUND) == "rgb(255, 255, 255)"
    assert any_page.execute_script(LOW_CONTRAST)[1] == []
    root = "document.documentElement"
    assert any_page.execute_script(f"return {root}.scrollWidth <= {root}.clientWidth")
    for controls in any_page.find_elements(By.CSS_SELECTOR, ".toolbar, button"):
        assert not controls.is_displayed()


def test_names_are_text_and_not_markup(page):
    names = [element.text for element in page.find_elements(By.CSS_SELECTOR, "#artifact-2 .title")]
    assert any("<script>alert(1)</script>" in name for name in names)
    assert any("<b>box</b>" in name for name in names)
    assert len(page.find_elements(By.TAG_NAME, "script")) == 1
    assert page.find_elements(By.CSS_SELECTOR, ".title b") == []


def test_structure_is_accessible(any_page):
    levels = any_page.execute_script(
        "return [...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map((h) => Number(h.tagName[1]))"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))
    for landmark in ("header", "main", "footer"):
        assert len(any_page.find_elements(By.CSS_SELECTOR, f"body > {landmark}")) == 1
    assert any_page.find_elements(By.CSS_SELECTOR, "th:not([scope])") == []
    unnamed = any_page.execute_script(
        "return [...document.querySelectorAll('[role=img], input, [role=region], [role=group]')]"
        ".filter((e) => !e.getAttribute('aria-label') && !e.getAttribute('aria-labelledby')).length"
    )
    assert unnamed == 0
    assert any_page.execute_script(
        "const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);"
        "return ids.length === new Set(ids).size"
    )


def test_command_is_copied_or_selected(any_page):
    command = any_page.find_element(By.CSS_SELECTOR, ".command code").text
    any_page.find_element(By.CSS_SELECTOR, "button.copy").click()
    any_page.execute_async_script("setTimeout(arguments[0], 100)")
    status = any_page.find_element(By.CSS_SELECTOR, ".copied").text
    selected = any_page.execute_script("return getSelection().toString()")
    assert status == "Copied" or selected == command


def test_plots_are_within_their_frames(chromium, latency_report):
    chromium.get((latency_report / "latency.html").as_uri())
    outside = chromium.execute_script(
        "return [...document.querySelectorAll('.chart svg')].flatMap((svg) => {"
        "  const frame = svg.getBoundingClientRect();"
        "  return [...svg.querySelectorAll('rect, line, polyline, text')]"
        "    .map((e) => [e, e.getBoundingClientRect()])"
        "    .filter(([, box]) => box.left < frame.left - 1 || box.right > frame.right + 1"
        "      || box.top < frame.top - 1 || box.bottom > frame.bottom + 1)"
        "    .map(([e]) => e.outerHTML);"
        "});"
    )
    assert len(chromium.find_elements(By.CSS_SELECTOR, ".distributions svg")) == 4
    assert len(chromium.find_elements(By.CSS_SELECTOR, ".memory svg .line")) == 2
    assert outside == []


def test_names_of_the_latency_page_are_text(chromium, latency_report):
    chromium.get((latency_report / "latency.html").as_uri())
    headings = [item.text for item in chromium.find_elements(By.CSS_SELECTOR, ".measured h3")]
    assert any("<script>alert(1)" in heading for heading in headings)
    assert len(chromium.find_elements(By.TAG_NAME, "script")) == 1
