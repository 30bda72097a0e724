"use strict";

for (const slider of document.querySelectorAll("input.split")) {
  const stack = slider.parentElement;
  const move = () => {
    stack.style.setProperty("--split", `${slider.value}%`);
    slider.setAttribute("aria-valuetext", `${slider.value} % reference`);
  };
  slider.addEventListener("input", move);
  move(); // browsers restore the position of a slider
}

for (const toolbar of document.querySelectorAll(".toolbar")) {
  const cases = [...toolbar.parentElement.querySelectorAll("details.case")];
  const buttons = [...toolbar.querySelectorAll("button")];
  toolbar.addEventListener("click", (event) => {
    const pressed = event.target.closest("button");
    if (!pressed) return;
    const wanted = pressed.dataset.show;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button === pressed));
    for (const item of cases) item.hidden = wanted !== "all" && item.dataset.status !== wanted;
    const shown = cases.filter((item) => !item.hidden).length;
    toolbar.querySelector("[role=status]").textContent = `${shown} of ${cases.length} shown`;
  });
}

// Tables and plots that are too wide can be scrolled. They say so in words and to screen readers; the others are no
// stop of the Tab key.
for (const region of document.querySelectorAll(".scroll")) {
  const name = region.getAttribute("aria-label");
  const hint = document.createElement("p");
  hint.className = "scroll-hint";
  hint.textContent = "Scroll sideways to see the rest →";
  hint.setAttribute("aria-hidden", "true");
  region.before(hint); // both are in one frame, which is a single cell of a grid
  const look = () => {
    const scrolls = region.scrollWidth > region.clientWidth + 1;
    hint.hidden = !scrolls;
    region.classList.toggle("scrolls", scrolls);
    if (scrolls) {
      region.tabIndex = 0;
      region.setAttribute("role", "region");
      region.setAttribute("aria-label", `${name}, scrolls sideways`);
    } else {
      for (const attribute of ["tabindex", "role", "aria-label"]) region.removeAttribute(attribute);
    }
  };
  const observer = new ResizeObserver(look); // also when a case around it is unfolded
  observer.observe(region);
  for (const child of region.children) observer.observe(child);
  look();
}

// A link to a folded case unfolds it.
const unfold = () => {
  const target = document.getElementById(location.hash.slice(1));
  if (target?.matches("details")) target.open = true;
};
addEventListener("hashchange", unfold);
unfold();

for (const button of document.querySelectorAll("button.copy")) {
  const code = button.parentElement.querySelector("code");
  const status = button.parentElement.querySelector("[role=status]");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      status.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code); // browsers may keep a page from a file off the clipboard
      status.textContent = "Selected: copy it with the keyboard";
    }
  });
}
