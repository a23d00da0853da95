// Limits dragged over a histogram: they go into the same fields that can be filled in by hand.
"use strict";
for (const bars of document.querySelectorAll("svg.bars")) {
  const form = document.getElementById("question");
  const { field, low, high, logarithmic } = bars.dataset;
  const taken = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  let first = null;
  const placeOf = (event) => {
    const box = bars.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  const valueAt = (place, last) => {
    const [from, to] = [Number(low), Number(high)];
    const value = logarithmic === "1" ? from * (to / from) ** place : from + (to - from) * place;
    if (field === "year") return String(last ? Math.ceil(value) - 1 : Math.floor(value));
    return field === "score" ? String(Number(value.toPrecision(6))) : String(Math.round(value));
  };
  const show = (place) => {
    taken.setAttribute("x", String(480 * Math.min(first, place)));
    taken.setAttribute("width", String(480 * Math.abs(first - place)));
  };
  bars.addEventListener("pointerdown", (event) => {
    first = placeOf(event);
    bars.setPointerCapture(event.pointerId);
    for (const [name, value] of [["class", "taken"], ["y", "0"], ["height", "80"]]) taken.setAttribute(name, value);
    bars.append(taken);
    show(first);
  });
  bars.addEventListener("pointermove", (event) => { if (first !== null) show(placeOf(event)); });
  bars.addEventListener("pointercancel", () => { first = null; taken.remove(); });
  bars.addEventListener("pointerup", (event) => {
    if (first === null) return;
    const [from, to] = [first, placeOf(event)].sort((one, other) => one - other);
    first = null;
    if (to - from < 0.005) { taken.remove(); return; }
    // At an end of the bars no limit is added: a rounded one would leave out what lies there.
    if (from > 0) form.elements[`${field}_from`].value = valueAt(from, false);
    if (to < 1) form.elements[`${field}_to`].value = valueAt(to, true);
    form.requestSubmit();
  });
}
