/* The queue while it is looked at: rows change in place as news come, the order only when asked.
 *
 * News name tickets, nothing else; what a row says is asked of the server, which counts working time. Every minute the
 * rows that are on the page are asked for anew, so that no time left is ever guessed here.
 */
"use strict";
(() => {
  const table = document.getElementById("queue"), fresh = document.getElementById("fresh");
  const body = document.body, waiting = new Set();
  let asked = 0, freshAsked = 0;

  const rowOf = (number) => document.getElementById(`t-${number}`);
  const get = async (address) => {
    const answer = await fetch(address, { headers: { "HX-Request": "true" }, credentials: "same-origin" });
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.text();
  };

  async function refresh(numbers, flash) {
    if (!table || !numbers.length) return;
    const query = new URLSearchParams(numbers.map((number) => ["n", number]));
    let text;
    try { text = await get(`${table.dataset.rows}&${query}`); } catch { return; }
    const page = new DOMParser().parseFromString(text, "text/html");
    for (const row of page.querySelectorAll("tr[data-number]")) put(row, flash);
  }
  function put(row, flash) {
    const old = rowOf(row.dataset.number);
    if (!old) return;
    const changed = old.dataset.version !== row.dataset.version;
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const wanted = focused && (focused.matches("a.row-link") ? "a.row-link" : focused.matches("input[data-tick]") ? "input[data-tick]" : "a, button");
    const box = old.querySelector("input[data-tick]"), box2 = row.querySelector("input[data-tick]");
    // a ticked row keeps the version it was ticked at: what is done to it must not overlook the change
    if (box?.checked && box2) { box2.checked = true; box2.value = box.value; }
    const link = old.querySelector("a.row-link"), link2 = row.querySelector("a.row-link");
    if (link && link2) link2.href = link.href;
    const fit = document.importNode(row, true);
    if (changed && flash) fit.classList.add("changed");
    old.replaceWith(fit);
    if (wanted) fit.querySelector(wanted)?.focus({ preventScroll: true });
    if (box?.checked) fit.querySelector("input[data-tick]").checked = true;
  }
  function later(number) {
    if (!rowOf(number)) return;
    waiting.add(number);
    if (asked) return;
    asked = setTimeout(() => {
      const numbers = [...waiting].slice(0, 60);
      asked = 0;
      waiting.clear();
      refresh(numbers, true);
    }, 400);
  }
  function lookForFresh() {
    if (!fresh || freshAsked) return;
    freshAsked = setTimeout(async () => {
      freshAsked = 0;
      try {
        const text = await get(fresh.dataset.at);
        if (text.trim() !== fresh.innerHTML.trim()) fresh.innerHTML = text;
      } catch { /* the next news try again */ }
    }, 700);
  }
  const onPage = () => table ? [...table.querySelectorAll("tr[data-number]")].map((row) => row.dataset.number).slice(0, 60) : [];

  body.addEventListener("news:ticket", (event) => later(event.detail.number));
  body.addEventListener("news:tickets", (event) => { later(event.detail.number); lookForFresh(); });
  body.addEventListener("news:back", () => { refresh(onPage(), true); lookForFresh(); });
  setInterval(() => { if (!document.hidden) refresh(onPage(), false); }, 60_000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(onPage(), false); });

  // whoever may not act on several tickets ticks one
  const bar = document.querySelector("[data-bulk][data-many=no]");
  if (bar) {
    document.addEventListener("change", (event) => {
      if (!event.target.matches?.("input[data-tick]") || !event.target.checked) return;
      for (const box of document.querySelectorAll("input[data-tick]:checked")) if (box !== event.target) box.checked = false;
    }, true);
  }
})();
