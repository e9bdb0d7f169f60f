"use strict";
// The page is whole without this: it reads values off the curves and lights up one run.
const left = 50, right = 350, top_ = 14, bottom = 186, most = 10;

function parse(line) {
  return line.dataset.p.split(" ").filter(Boolean).map((pair) => {
    const at = pair.indexOf(":");
    return [Number(pair.slice(0, at)), pair.slice(at + 1)];
  });
}

function nearest(spots, step) {
  let low = 0, high = spots.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (spots[middle][0] <= step) low = middle; else high = middle;
  }
  return Math.abs(spots[low][0] - step) <= Math.abs(spots[high][0] - step) ? spots[low] : spots[high];
}

function add(parent, name, text, style) {
  const child = document.createElement(name);
  if (text !== undefined) child.textContent = text;
  if (style) child.className = style;
  parent.append(child);
  return child;
}

const names = new Map();
for (const item of document.querySelectorAll(".legend li[data-run]")) {
  names.set(item.dataset.run, item.dataset.label);
  const lines = document.querySelectorAll(`.line[data-run="${item.dataset.run}"]`);
  const light = (on) => {
    document.getElementById("curves").classList.toggle("lit", on);
    for (const line of lines) line.classList.toggle("on", on);
  };
  item.tabIndex = 0;
  for (const event of ["pointerenter", "focus"]) item.addEventListener(event, () => light(true));
  for (const event of ["pointerleave", "blur"]) item.addEventListener(event, () => light(false));
}

for (const chart of document.querySelectorAll("svg.chart")) {
  const first = Number(chart.dataset.left), last = Number(chart.dataset.right);
  let lines = null, steps = [], cross = null, box = null, place = 0;

  function prepare() {
    lines = [...chart.querySelectorAll(".line[data-p]")].map((line) => ({ line, spots: parse(line) }));
    lines = lines.filter((one) => one.spots.length);
    steps = [...new Set(lines.flatMap((one) => one.spots.map((spot) => spot[0])))].sort((a, b) => a - b);
    cross = document.createElementNS(chart.namespaceURI, "line");
    cross.setAttribute("class", "cross");
    cross.setAttribute("y1", top_);
    cross.setAttribute("y2", bottom);
    box = add(chart.parentNode, "div", undefined, "readout");
    box.setAttribute("role", "status");
    hide();
  }

  function show(at) {
    place = at;
    const step = steps[at];
    const x = last > first ? left + ((step - first) / (last - first)) * (right - left) : (left + right) / 2;
    cross.setAttribute("x1", x);
    cross.setAttribute("x2", x);
    chart.append(cross);
    box.replaceChildren();
    add(box, "b", `${chart.dataset.x} ${step.toLocaleString("en")}`);
    const found = lines.map(({ line, spots }) => ({ line, spot: nearest(spots, step) }));
    found.sort((a, b) => Number(b.spot[1]) - Number(a.spot[1]) || 0);
    for (const { line, spot } of found.slice(0, most)) {
      const row = add(box, "div", undefined, line.getAttribute("class"));
      const off = spot[0] === step ? "" : ` @ ${spot[0].toLocaleString("en")}`;
      add(row, "span", (names.get(line.dataset.run) ?? "value") + off);
      add(row, "span", spot[1]);
    }
    if (found.length > most) add(box, "b", `and ${found.length - most} more`);
    box.hidden = false;
    const frame = chart.getBoundingClientRect(), around = chart.parentNode.getBoundingClientRect();
    const pixel = frame.left - around.left + (x / 360) * frame.width;
    const beside = x > 200 ? pixel - box.offsetWidth - 12 : pixel + 12;
    box.style.left = `${Math.max(-8, beside)}px`;
    box.style.top = `${frame.top - around.top + 16}px`;
  }

  function hide() {
    cross.remove();
    box.hidden = true;
  }

  function follow(event) {
    if (!lines) prepare();
    if (!steps.length) return;
    const frame = chart.getBoundingClientRect();
    const x = ((event.clientX - frame.left) / frame.width) * 360;
    const step = first + ((x - left) / (right - left)) * (last - first);
    show(steps.indexOf(nearest(steps.map((one) => [one]), step)[0]));
  }

  chart.tabIndex = 0;
  chart.addEventListener("pointermove", follow);
  chart.addEventListener("pointerdown", follow);
  for (const event of ["pointerleave", "blur"]) chart.addEventListener(event, () => lines && hide());
  chart.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move) return;
    event.preventDefault();
    if (!lines) prepare();
    if (steps.length) show(Math.min(steps.length - 1, Math.max(0, box.hidden ? 0 : place + move)));
  });
}

addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => (one.open = true)));
