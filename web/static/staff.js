/* What staff pages gain besides: keys, ticking rows, and news as they come.
 *
 * Keys are taken by their place (`event.code`), so that they work in every layout; they rest inside fields and where the
 * reader switched them off. Parts of a page say what a key does:
 *   data-key="a"          A presses it (a link, a button, a <details>); also s, p, h, f, r or reply, n or comment,
 *                         shift+a or take, back, send (Ctrl+Enter)
 *   #fact-status …        S, P and A open these cells of the strip of facts
 *   data-back             U goes there           data-fresh   . presses it
 *   a.row-link            J and K move over these; X ticks the input[data-tick] of the row, O opens or unfolds
 *   data-key="#"          in a composer: # at the start of a word opens it
 * Ticking: input[data-tick] in rows, input[data-tick-all] above them, one [data-bulk] bar (parts.bulk_bar).
 *
 * News: <body data-stream="/live"> is a stream of server-sent events. Each event is handed on to the page as
 * "news:NAME" on the body, with its JSON as detail: `hx-trigger="news:tickets from:body"`. Known here:
 *   ping                  we are still there; after ten seconds without any event the mark turns orange
 *   counts                {"queue": 11, "deliveries": 7, "quarantine": 3, "spam": 1}
 *   toast                 {"words": "…", "undo": "/…"}
 *   presence              {"names": ["…"]}: parts.presence() says who else has this ticket open
 * When the stream begins, and when it comes back after a silence, "news:back" asks the page to refresh its rows.
 */
"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const body = document.body;
  const trigger = (name, detail) => body.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));

  // ---- keys --------------------------------------------------------------------------------------------------------
  const PLACES = {
    KeyA: '[data-key="a"], #fact-assignee > details', KeyS: '[data-key="s"], #fact-status > details',
    KeyP: '[data-key="p"], #fact-priority > details', KeyH: '[data-key="h"]', KeyF: '[data-key="f"], #filter-menu',
    KeyR: '[data-key="r"], [data-key="reply"]', KeyN: '[data-key="n"], [data-key="comment"]',
  };
  const TAKE = '[data-key="shift+a"], [data-key="take"]', BACK = '[data-back], [data-key="back"]';
  const CANNED = '[data-key="#"], #canned-menu';
  const GO = { KeyQ: "/queue", KeyD: "/deliveries", KeyK: "/quarantine" };
  let going = 0;

  const typing = (target) => target.isContentEditable || target.matches?.("textarea, select, input:not([type=checkbox]):not([type=radio]):not([type=button])");
  const rows = () => all("a.row-link").filter((link) => link.offsetParent);
  const rowOf = (element) => element?.closest?.("tr, [data-row]");
  const tickOf = (row) => row?.querySelector("input[data-tick]");
  function press(element) {
    if (!element) return false;
    if (element.matches("details, summary")) {
      const menu = element.closest("details");
      menu.open = true;
      (menu.querySelector(".menu-body input:not([type=hidden]), .menu-body a, .menu-body button") ?? menu.querySelector("summary")).focus();
    } else if (element.matches("textarea, input, select")) {
      element.focus();
    } else if (element.matches('[aria-pressed="true"]') && element.form?.querySelector("textarea")) {
      element.form.querySelector("textarea").focus();
    } else {
      element.click();
    }
    return true;
  }
  function act(places) {
    const found = all(places);
    const bulk = found.find((element) => element.closest("[data-bulk]"));
    const row = rowOf(document.activeElement);
    if (bulk && row && !all("input[data-tick]:checked").length) {
      tickOf(row).checked = true;
      ticked();
    }
    if (bulk && all("input[data-tick]:checked").length) return press(bulk);
    return press(found.find((element) => !element.closest("[data-bulk]") && element.offsetParent));
  }
  function move(by) {
    const links = rows();
    const here = links.indexOf(document.activeElement);
    const row = rowOf(document.activeElement);
    const from = here >= 0 ? here : links.findIndex((link) => rowOf(link) === row);
    const next = links[from < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(Math.max(from + by, 0), links.length - 1)];
    next?.focus();
    return Boolean(next);
  }
  function unfold() {
    const row = rowOf(document.activeElement);
    return press(row?.querySelector("[data-unfold], details > summary")) || press(row?.querySelector("a.row-link"));
  }
  function key(event) {
    if (event.shiftKey && (event.code === "Slash" || event.key === "?")) return help();
    if (event.code === "KeyX") return tickHere(event.shiftKey);
    if (event.shiftKey) return event.code === "KeyA" && press(document.querySelector(TAKE));
    if (going && Date.now() - going < 1500 && GO[event.code]) { location.assign(GO[event.code]); return true; }
    going = 0;
    switch (event.code) {
      case "Slash": { const search = document.getElementById("search"); search?.focus(); search?.select(); return Boolean(search); }
      case "KeyG": going = Date.now(); return true;
      case "KeyC": return press(document.querySelector("a.new-ticket"));
      case "KeyJ": return move(1);
      case "KeyK": return move(-1);
      case "KeyO": return unfold();
      case "KeyU": return press(document.querySelector(BACK));
      case "Period": return press(document.querySelector("[data-fresh]"));
    }
    return PLACES[event.code] ? act(PLACES[event.code]) : false;
  }
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || body.dataset.keys !== "on") return;
    const target = event.target;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && target.form?.method === "post") {
      event.preventDefault();
      target.form.requestSubmit(target.form.querySelector('[data-key="send"]') ?? undefined);
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (typing(target)) {
      const canned = (event.key === "#" || (event.code === "Digit3" && event.shiftKey)) && target.form?.querySelector(CANNED);
      if (canned && !/\S$/.test(target.value.slice(0, target.selectionStart))) {
        event.preventDefault();
        press(canned);
      }
      return;
    }
    if (document.querySelector("dialog[open]")) return;
    if (key(event)) event.preventDefault();
  });
  function help() {
    const dialog = document.getElementById("keys");
    if (!dialog) return false;
    dialog.showModal();
    return true;
  }
  document.addEventListener("click", (event) => { if (event.target.closest?.("[data-help]")) help(); });

  // ---- ticking ---------------------------------------------------------------------------------------------------------
  let last = null;
  function tickHere(range) {
    const box = tickOf(rowOf(document.activeElement));
    if (!box) return false;
    box.checked = range ? true : !box.checked;
    if (range) tickBetween(last, box);
    last = box;
    ticked();
    return true;
  }
  function tickBetween(first, second) {
    const boxes = all("input[data-tick]");
    const [from, to] = [boxes.indexOf(first), boxes.indexOf(second)].sort((a, b) => a - b);
    if (from >= 0) for (const box of boxes.slice(from, to + 1)) box.checked = true;
  }
  function ticked() {
    const boxes = all("input[data-tick]"), on = boxes.filter((box) => box.checked);
    for (const bar of all("[data-bulk]")) {
      bar.classList.toggle("shown", on.length > 0);
      const words = bar.querySelector("[data-bulk-words]");
      if (words?.dataset.words) words.textContent = words.dataset.words.replace("{n}", on.length);
    }
    for (const box of all("input[data-tick-all]")) {
      box.checked = on.length > 0 && on.length === boxes.length;
      box.indeterminate = on.length > 0 && on.length < boxes.length;
    }
    trigger("ticked", { n: on.length });
  }
  document.addEventListener("click", (event) => {
    const box = event.target;
    if (box.matches?.("input[data-tick]")) {
      if (event.shiftKey) tickBetween(last, box);
      last = box;
      ticked();
    } else if (box.matches?.("input[data-tick-all]")) {
      for (const each of all("input[data-tick]")) each.checked = box.checked;
      ticked();
    } else if (box.closest?.("[data-bulk-close]")) {
      for (const each of all("input[data-tick]")) each.checked = false;
      ticked();
    }
  });

  // ---- news ------------------------------------------------------------------------------------------------------------
  const SILENT = 10_000, LOST = 60_000, NAMES = (body.dataset.streamEvents || "tickets ticket deliveries quarantine counts toast presence ping").split(/[ ,]+/);
  
  let source = null, heard = 0, lostAt = 0, wait = 1000, retryAt = 0, lastId = "";

  function open() {
    const address = body.dataset.stream;
    source = new EventSource(lastId ? `${address}${address.includes("?") ? "&" : "?"}after=${encodeURIComponent(lastId)}` : address);
    source.onopen = hear;
    source.onmessage = (event) => news("message", event);
    for (const name of NAMES) source.addEventListener(name, (event) => news(name, event));
    source.onerror = () => {
      source.close();
      retryAt = Date.now() + wait;
      wait = Math.min(wait * 2, 30_000);
      tell();
    };
  }
  function hear() {
    // the first time too: the page is older than the stream, which tells only what happens from now on
    const missed = lostAt || !heard;
    heard = Date.now();
    wait = 1000;
    if (missed) {
      lostAt = 0;
      trigger("news:back", {});
    }
    tell();
  }
  function news(name, event) {
    hear();
    if (event.lastEventId) lastId = event.lastEventId;
    if (name === "ping") return;
    let data = {};
    try { data = JSON.parse(event.data || "{}"); } catch { /* words, not facts */ }
    if (name === "presence") present(data.names ?? []);
    if (name === "counts") for (const [section, n] of Object.entries(data)) count(section, n);
    trigger(name === "toast" ? "toast" : `news:${name}`, data);
  }
  function present(names) {
    for (const place of all("[data-presence]")) {
      place.hidden = !names.length;
      const words = place.querySelector("span") ?? place;
      words.textContent = place.dataset[names.length > 1 ? "many" : "one"].replace("{names}", names.join(", "));
    }
  }
  function count(section, n) {
    const link = document.querySelector(`.sections a[href="/${section}"]`);
    if (!link) return;
    let shown = link.querySelector(".count");
    if (!shown) link.append(shown = Object.assign(document.createElement("b"), { className: "count" }));
    shown.hidden = !n;
    shown.textContent = Number(n).toLocaleString(document.documentElement.lang);
    shown.classList.toggle("bad", section === "deliveries" && n > 0);
  }
  function clock(at) { return new Date(at).toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" }); }
  function tell() {
    const now = Date.now(), quiet = heard && now - heard > SILENT;
    const off = source?.readyState === EventSource.CLOSED ? now - heard > 2000 : quiet;
    if (off && !lostAt) lostAt = heard || now;
    const mark = document.querySelector("[data-live]"), alarm = document.getElementById("alarm");
    if (mark) {
      mark.hidden = false;
      mark.classList.toggle("off", Boolean(off));
      const words = mark.querySelector("[data-live-words]");
      const said = off ? `${words.dataset.off} ${clock(lostAt)}` : words.dataset.on;
      if (words.textContent !== said) words.textContent = said;
    }
    if (alarm) {
      const lost = off && now - lostAt > LOST;
      alarm.classList.toggle("hidden", !lost);
      alarm.classList.toggle("alarm", Boolean(lost));
      if (lost && !alarm.firstChild) {
        const banner = Object.assign(document.createElement("div"), { className: "banner warn" });
        const left = Object.assign(document.createElement("span"), { className: "alarm-left" });
        left.setAttribute("aria-hidden", "true");
        banner.append(Object.assign(document.createElement("span"), { textContent: alarm.dataset.words.replace("{at}", clock(lostAt)) }), left);
        alarm.append(banner);
      } else if (!lost && alarm.firstChild) {
        alarm.replaceChildren();
      }
      const left = alarm.querySelector(".alarm-left");
      if (left) left.textContent = alarm.dataset.again.replace("{n}", Math.max(0, Math.ceil((retryAt - now) / 1000)));
    }
  }
  if (body.dataset.stream && window.EventSource) {
    open();
    setInterval(() => {
      if (source.readyState === EventSource.CLOSED && Date.now() >= retryAt) open();
      else if (heard && Date.now() - heard > 3 * SILENT) { source.close(); retryAt = Date.now(); }
      tell();
    }, 1000);
    window.addEventListener("online", () => { retryAt = 0; });
    window.addEventListener("pagehide", () => source.close());
    window.addEventListener("pageshow", (event) => { if (event.persisted) open(); });
  }
  ticked();
})();
