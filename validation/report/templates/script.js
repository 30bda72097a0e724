"use strict";

for (const slider of document.querySelectorAll("input.split")) {
  const stack = slider.parentElement;
  const move = () => {
    stack.style.setProperty("--split", `${slider.value}%`);
    slider.setAttribute("aria-valuetext", `${slider.value} % reference`);
  };
  slider.addEventListener("input", move);
  move(); // browsers restore a slider's position
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

for (const button of document.querySelectorAll("button.copy")) {
  const code = button.parentElement.querySelector("code");
  const status = button.parentElement.querySelector("[role=status]");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      status.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code); // a page in a file may not reach the clipboard
      status.textContent = "Selected: copy it with the keyboard";
    }
  });
}
