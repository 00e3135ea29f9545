"use strict";
(() => {
  const root = document.documentElement;
  const all = (query) => Array.from(document.querySelectorAll(query));

  const buttons = all("[data-speak]");
  const speak = (language) => {
    root.lang = language;
    root.dataset.lang = language;
    for (const button of buttons) {
      button.setAttribute("aria-pressed", String(button.dataset.speak === language));
    }
  };
  for (const button of buttons) button.addEventListener("click", () => speak(button.dataset.speak));
  speak((navigator.language || "en").startsWith("ja") ? "ja" : "en");

  const slider = document.getElementById("when");
  if (!slider) return;
  const grids = all("[data-images]");
  const play = document.getElementById("play");
  const out = document.getElementById("when-out");

  const show = (index) => {
    grids.forEach((grid, place) => { grid.hidden = place !== index; });
    const images = Number(grids[index].dataset.images);
    const words = images.toLocaleString("en");
    out.textContent = words;
    for (const place of all(".shown")) place.textContent = words;
    slider.value = String(index);
    slider.setAttribute("aria-valuetext", words);
    for (const svg of all("svg[data-last]")) {
      const { left, right, last } = svg.dataset;
      const x = Number(left) + (Math.min(images / Math.max(Number(last), 1), 1)) * (right - left);
      const line = svg.querySelector(".now");
      line.setAttribute("x1", x);
      line.setAttribute("x2", x);
    }
  };

  let timer = 0;
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    play.setAttribute("aria-pressed", "false");
  };
  const step = () => {
    const next = Number(slider.value) + 1;
    if (next >= grids.length) return stop();
    return show(next);
  };
  play.addEventListener("click", () => {
    if (timer) return stop();
    if (Number(slider.value) >= grids.length - 1) show(0);
    play.setAttribute("aria-pressed", "true");
    timer = setInterval(step, 700);
    return undefined;
  });
  slider.addEventListener("input", () => {
    stop();
    show(Number(slider.value));
  });
  document.getElementById("controls").hidden = false;
  show(grids.length - 1);
})();
