"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const [viewer, slider, image, map, bars] = ["viewer", "slice", "image", "map", "bars"].map(at);
  const count = data.areas.length;
  const svg = (tag, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const shownClasses = [...document.querySelectorAll("input.show-class")];
  let here = data.start;

  const chosen = () => document.querySelector("input[name=sequence]:checked");
  const ticked = (name) => Boolean(at("show-" + name)?.checked);

  const largest = Math.max(1, ...data.areas);
  data.areas.forEach((area, index) => {
    const height = Math.max(0.04, area / largest);
    bars.append(svg("rect", { x: index + 0.1, y: 1 - height, width: 0.8, height }));
  });

  function draw() {
    const sequence = chosen().value;
    image.src = data.images[sequence][here];
    image.alt = `${chosen().dataset.label}, slice ${here + 1} of ${count}, tumour area ${data.areaTexts[here]}`;
    at("found").setAttribute("d", ticked("mask") ? data.found[here] : "");
    at("truth").setAttribute("d", ticked("truth") ? data.truth[here] : "");
    at("classes").replaceChildren(...data.classes.filter((_, index) => shownClasses[index].checked).map(({ color, paths }) => {
      const region = svg("path", { d: paths[here] });
      region.style.fill = region.style.stroke = color;
      return region;
    }));
    const across = ticked("diameters") && data.diameters && data.diameters.slice === here ? data.diameters.lines : [];
    at("across").replaceChildren(...across.map(([y1, x1, y2, x2]) => svg("line", { class: "across", x1, y1, x2, y2 })));
    const shown = Object.keys(data.maps).find(ticked);
    const picture = shown && data.maps[shown].images[here];
    if (picture) map.src = picture;
    map.hidden = !picture;
    map.style.opacity = at("opacity").value / 100;
    at("opacity").disabled = !shown;
    const ramp = at("ramp");
    ramp.hidden = !shown;
    if (shown) {
      at("ramp-name").textContent = data.maps[shown].label;
      ramp.querySelector("i").style.background = `linear-gradient(to right, ${data.maps[shown].ramp.join(",")})`;
    }
    slider.value = here + 1;
    slider.setAttribute("aria-valuetext", `slice ${here + 1} of ${count}`);
    at("where").textContent = `slice ${here + 1} of ${count}`;
    [...bars.children].forEach((bar, index) => bar.classList.toggle("here", index === here));
  }

  function go(index) {
    here = Math.min(count - 1, Math.max(0, index));
    draw();
  }

  slider.addEventListener("input", () => go(Number(slider.value) - 1));
  at("opacity").addEventListener("input", draw);
  document.querySelectorAll("input[type=radio], input[type=checkbox]").forEach((input) =>
    input.addEventListener("change", () => {
      // One map at a time: two would hide each other.
      if (input.checked && input.hasAttribute("data-map")) {
        document.querySelectorAll("input[data-map]").forEach((other) => { if (other !== input) other.checked = false; });
      }
      draw();
    }));

  const page = Math.max(2, Math.round(count / 10));
  const moves = {
    ArrowRight: () => here + 1, ArrowUp: () => here + 1, ArrowLeft: () => here - 1, ArrowDown: () => here - 1,
    PageUp: () => here + page, PageDown: () => here - page, Home: () => 0, End: () => count - 1,
  };
  const letters = { m: "mask", p: "probabilities", u: "uncertainty", t: "truth", d: "diameters" };
  viewer.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const radios = document.querySelectorAll("input[name=sequence]");
    const box = at("show-" + letters[event.key.toLowerCase()]);
    if (event.key in moves) go(moves[event.key]());
    else if (/^[1-9]$/.test(event.key) && radios[event.key - 1]) radios[event.key - 1].click();
    else if (box) box.click();
    else return;
    event.preventDefault();
  });

  let drag = null;
  viewer.addEventListener("pointerdown", (event) => {
    drag = { x: event.clientX, from: here };
    viewer.setPointerCapture(event.pointerId);
  });
  viewer.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const step = Math.max(6, viewer.clientWidth / count);
    go(drag.from + Math.round((event.clientX - drag.x) / step));
  });
  for (const end of ["pointerup", "pointercancel"]) viewer.addEventListener(end, () => { drag = null; });
  viewer.addEventListener("wheel", (event) => {
    if (document.activeElement !== viewer) return; // else the page could not be scrolled past the image
    event.preventDefault();
    go(here + Math.sign(event.deltaY));
  }, { passive: false });
  bars.addEventListener("click", (event) => {
    const box = bars.getBoundingClientRect();
    go(Math.floor((event.clientX - box.left) / box.width * count));
  });

  draw();
})();
