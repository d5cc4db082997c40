/* What every page gains from scripts; without them everything still works, only slower.
 *
 * Nothing here needs setting up: parts of a page say by attributes what they are.
 *   <textarea data-draft="NSK-26-000412/reply">   what is typed is kept until it was sent
 *   <button data-busy="Отправляем…">              says so while its form is sent; a form is sent once
 *   <div data-files>                              chosen files with sizes, dropping, progress (parts.file_field)
 *   <input data-sift>                             sifts the list that follows it in a menu
 *   <button data-copy="…"> <button data-reveal="password">   copies; shows what stands in a field
 *   [data-focus]                                  takes the focus when the page opens
 * A server answer to htmx may say `HX-Trigger: {"toast": {"words": "…", "undo": "/…"}}` (ASCII only).
 */
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("scripts");
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const csrf = () => {
    try { return JSON.parse(document.body.getAttribute("hx-headers") || "{}")["X-CSRF-Token"] || ""; } catch { return ""; }
  };

  // ---- menus: one open at a time; Escape and a press elsewhere close ------------------------------------------
  document.addEventListener("click", (event) => {
    for (const menu of all("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = all("details.menu[open]").pop();
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
    event.stopPropagation();
  }, true);
  document.addEventListener("toggle", (event) => {
    const menu = event.target;
    if (!menu.matches?.("details.menu") || !menu.open) return;
    for (const other of all("details.menu[open]")) if (other !== menu && !other.contains(menu)) other.open = false;
    menu.querySelector(".menu-body input:not([type=hidden]):not([type=checkbox]):not([type=radio])")?.focus();
  }, true);
  document.addEventListener("input", (event) => {
    const field = event.target;
    if (!field.matches?.("[data-sift]")) return;
    const wanted = field.value.trim().toLowerCase();
    for (const item of all("li", field.closest(".menu-body"))) {
      item.hidden = !item.textContent.toLowerCase().includes(wanted);
    }
  });

  // ---- theme ---------------------------------------------------------------------------------------------------
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("[data-themes]") || !event.submitter) return;
    event.preventDefault();
    const theme = event.submitter.value;
    root.dataset.theme = theme;
    document.querySelector("meta[name=color-scheme]").content = theme === "system" ? "light dark" : theme;
    for (const button of all("button", form)) button.setAttribute("aria-pressed", String(button === event.submitter));
    fetch(form.action, { method: "POST", headers: { "X-Requested-With": "fetch" }, body: new URLSearchParams({ theme }) })
      .catch(() => {});
  });

  // ---- toasts: eight seconds, longer while looked at -------------------------------------------------------------
  const TOAST_LASTS = 8000;
  function watchToast(toast) {
    if (toast.dataset.watched) return;
    toast.dataset.watched = "yes";
    let timer = 0;
    const go = () => { clearTimeout(timer); timer = setTimeout(() => toast.remove(), TOAST_LASTS); };
    const stay = () => clearTimeout(timer);
    toast.addEventListener("mouseenter", stay);
    toast.addEventListener("focusin", stay);
    toast.addEventListener("mouseleave", go);
    toast.addEventListener("focusout", go);
    go();
  }
  function showToast(words, undo) {
    const region = document.getElementById("toasts");
    if (!region || !words) return;
    const toast = document.createElement("div");
    toast.className = "toast";
    toast.append(Object.assign(document.createElement("span"), { textContent: words }));
    if (undo && undo.startsWith("/") && !undo.startsWith("//")) {
      const form = Object.assign(document.createElement("form"), { method: "post", action: undo });
      const token = Object.assign(document.createElement("input"), { type: "hidden", name: "csrf", value: csrf() });
      const press = Object.assign(document.createElement("button"), { textContent: region.dataset.undo });
      press.className = "toast-undo";
      form.append(token, press);
      toast.append(form);
    }
    region.append(toast);
    watchToast(toast);
  }
  document.addEventListener("toast", (event) => showToast(event.detail?.words ?? event.detail?.value, event.detail?.undo));
  document.addEventListener("click", (event) => event.target.closest?.("[data-toast-close]")?.closest(".toast").remove());

  // ---- drafts --------------------------------------------------------------------------------------------------
  // A draft goes only when it is known to be sent: the next page shows the same field empty, or tells so by a toast.
  const DRAFT = "draft:", DRAFT_LASTS = 14 * 24 * 3600e3;
  const store = {
    get(key) { try { return JSON.parse(localStorage.getItem(DRAFT + key)); } catch { return null; } },
    set(key, value) { try { localStorage.setItem(DRAFT + key, JSON.stringify(value)); return true; } catch { return false; } },
    drop(key) { try { localStorage.removeItem(DRAFT + key); } catch { /* nothing can be kept here at all */ } },
    keys() { try { return Object.keys(localStorage).filter((k) => k.startsWith(DRAFT)).map((k) => k.slice(DRAFT.length)); } catch { return []; } },
  };
  const saved = new WeakMap();
  document.addEventListener("input", (event) => {
    const field = event.target;
    if (!field.dataset?.draft) return;
    clearTimeout(saved.get(field));
    saved.set(field, setTimeout(() => keepDraft(field), 400));
  });
  function keepDraft(field) {
    const kept = field.value.trim() ? store.set(field.dataset.draft, { text: field.value, at: Date.now() }) : (store.drop(field.dataset.draft), true);
    const told = field.form?.querySelector("[data-draft-told]");
    if (told) told.hidden = !kept || !field.value.trim();
  }
  function markSent(form) {
    for (const field of all("[data-draft]", form)) {
      clearTimeout(saved.get(field));
      if (field.value.trim()) store.set(field.dataset.draft, { text: field.value, at: Date.now(), sent: true });
    }
  }
  function settleDrafts() {
    const toasted = Boolean(document.querySelector("#toasts .toast"));
    const failed = Boolean(document.querySelector(".error-summary, [aria-invalid=true], .banner.bad, .error-page"));
    const here = new Map(all("[data-draft]").map((field) => [field.dataset.draft, field]));
    for (const key of store.keys()) {
      const draft = store.get(key);
      if (!draft || Date.now() - draft.at > DRAFT_LASTS) { store.drop(key); continue; }
      const field = here.get(key);
      if (draft.sent) {
        if (toasted || (field && !field.value && !failed)) { store.drop(key); continue; }
        store.set(key, { text: draft.text, at: draft.at });
      }
      if (field && !field.value) {
        field.value = draft.text;
        const told = field.form?.querySelector("[data-draft-told]");
        if (told) told.hidden = false;
        field.dispatchEvent(new Event("input", { bubbles: true }));
      }
    }
  }
  document.addEventListener("htmx:afterRequest", (event) => {
    const form = event.detail.elt.closest?.("form");
    if (!form || event.detail.requestConfig?.verb === "get") return;
    // what was typed while the request was under way is kept nowhere else yet
    const sent = event.detail.requestConfig.parameters ?? {};
    if (event.detail.successful) for (const field of all("[data-draft]", form)) {
      if (sent[field.name] === undefined || sent[field.name] === field.value) store.drop(field.dataset.draft);
    }
    rested(form);
  });

  // ---- a request of a part of the page that failed: said where it was asked for, in the words of the error page ----
  function tellFailure(element, answer) {
    const page = new DOMParser().parseFromString(answer ?? "", "text/html").querySelector(".error-page");
    const words = page ? [page.querySelector("h1"), ...page.querySelectorAll("h1 ~ p:not(.actions)")].map((p) => p.textContent.trim()).join(". ").replaceAll("..", ".") : document.body.dataset.failed;
    const place = element.closest?.("form") ?? document.querySelector("main").firstElementChild;
    place.parentElement.querySelector(":scope > .banner.failed-here")?.remove();
    const banner = Object.assign(document.createElement("div"), { className: "banner bad failed-here", textContent: words });
    banner.setAttribute("role", "alert");
    place.before(banner);
  }
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.requestConfig.verb !== "get") tellFailure(event.detail.elt, event.detail.xhr.responseText);
  });
  document.addEventListener("htmx:sendError", (event) => {
    if (event.detail.requestConfig.verb !== "get") tellFailure(event.detail.elt, "");
  });

  // ---- sending: once, and it says so ------------------------------------------------------------------------------
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post") return;
    if (form.dataset.sending) { event.preventDefault(); return; }
    form.dataset.sending = "yes";
    if (form.getAttribute("action") === "/logout") for (const key of store.keys()) store.drop(key);
    markSent(form);
    const button = event.submitter ?? form.querySelector("button:not([type=button])");
    if (button?.dataset.busy) {
      form.busyTimer = setTimeout(() => {
        button.style.minWidth = `${button.offsetWidth}px`;
        const words = button.querySelector("span") ?? button;
        button.dataset.words = words.textContent;
        words.textContent = button.dataset.busy;
        button.classList.add("busy");
      }, 400);
    }
    if (!form.hasAttribute("hx-post") && !form.hasAttribute("hx-boost") && sendsFiles(form)) {
      event.preventDefault();
      sendWithProgress(form, event.submitter);
    }
  });
  function rested(form) {
    delete form.dataset.sending;
    clearTimeout(form.busyTimer);
    for (const button of all("button.busy", form)) {
      (button.querySelector("span") ?? button).textContent = button.dataset.words;
      button.classList.remove("busy");
    }
  }
  window.addEventListener("pageshow", (event) => { if (event.persisted) all("form").forEach(rested); });

  // ---- files -----------------------------------------------------------------------------------------------------
  const units = root.lang === "ru" ? ["байт", "КБ", "МБ", "ГБ"] : ["bytes", "KB", "MB", "GB"];
  function size(octets) {
    let unit = 0;
    while (octets >= 1000 && unit < 3) { octets /= 1000; unit += 1; }
    const digits = unit === 0 || octets >= 10 ? 0 : 1;
    return `${octets.toLocaleString(root.lang, { maximumFractionDigits: digits })}\u00a0${units[unit]}`;
  }
  const filesOf = (zone) => [...zone.querySelector("input[type=file]").files];
  const sendsFiles = (form) => all("[data-files]", form).some((zone) => filesOf(zone).length);
  function listFiles(zone) {
    const list = zone.querySelector("[data-file-list]"), template = zone.querySelector("template");
    const files = filesOf(zone), total = files.reduce((sum, file) => sum + file.size, 0);
    list.replaceChildren(...files.map((file, index) => {
      const item = template.content.firstElementChild.cloneNode(true);
      item.querySelector(".file-name").textContent = file.name;
      item.querySelector(".file-size").textContent = size(file.size);
      const drop = item.querySelector(".file-drop");
      drop.setAttribute("aria-label", `${zone.dataset.wordsDrop}: ${file.name}`);
      drop.addEventListener("click", () => {
        setFiles(zone, filesOf(zone).filter((_, other) => other !== index));
        zone.querySelector("input[type=file]").focus();
      });
      return item;
    }));
    const most = Number(zone.dataset.most) || Infinity, limit = Number(zone.dataset.total) || Infinity;
    const wrong = files.length > most ? zone.dataset.wordsMany : total > limit ? zone.dataset.wordsBig : "";
    let note = zone.querySelector("[data-file-wrong]");
    if (!note) {
      note = Object.assign(document.createElement("p"), { className: "field-error" });
      note.dataset.fileWrong = "";
      note.setAttribute("role", "status");
      zone.querySelector(".drop").before(note);
    }
    note.textContent = wrong;
    note.hidden = !wrong;
    zone.querySelector("input[type=file]").setCustomValidity(wrong);
  }
  function setFiles(zone, files) {
    const carrier = new DataTransfer();
    for (const file of files) carrier.items.add(file);
    zone.querySelector("input[type=file]").files = carrier.files;
    listFiles(zone);
  }
  document.addEventListener("change", (event) => {
    const zone = event.target.closest?.("[data-files]");
    if (zone) listFiles(zone);
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      const zone = event.target.closest?.("[data-files]");
      if (!zone || !event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      zone.querySelector(".drop").classList.toggle("over", kind === "dragover");
      if (kind === "drop") setFiles(zone, [...filesOf(zone), ...event.dataTransfer.files]);
    });
  }
  function sendWithProgress(form, submitter) {
    const data = new FormData(form, submitter), sending = new XMLHttpRequest();
    const bars = all("[data-files] progress", form), zone = form.querySelector("[data-files]");
    for (const bar of bars) bar.hidden = false;
    sending.upload.addEventListener("progress", (event) => {
      if (!event.lengthComputable) return;
      for (const bar of bars) bar.value = 100 * event.loaded / event.total;
      const told = zone.querySelector("[data-file-list] li:last-child .file-size");
      if (told) told.textContent = event.loaded < event.total
        ? `${size(event.loaded)} ${zone.dataset.wordsOf} ${size(event.total)}` : zone.dataset.wordsDone;
    });
    const failed = () => {
      rested(form);
      for (const bar of bars) bar.hidden = true;
      const note = zone.querySelector("[data-file-wrong]");
      if (note) { note.textContent = zone.dataset.wordsBroken; note.hidden = false; }
    };
    sending.addEventListener("error", failed);
    sending.addEventListener("load", () => showPage(sending.responseText, sending.responseURL, sending.getResponseHeader("Content-Type")));
    sending.open("POST", submitter?.getAttribute("formaction") || form.getAttribute("action") || location.href);
    sending.send(data);
  }
  function showPage(html, url, kind) {
    if (!kind?.startsWith("text/html")) { location.assign(url); return; }
    const page = new DOMParser().parseFromString(html, "text/html");
    document.title = page.title;
    root.lang = page.documentElement.lang;
    for (const { name, value } of [...page.body.attributes]) document.body.setAttribute(name, value);
    document.body.replaceChildren(...page.body.childNodes);
    history.replaceState(null, "", url);
    window.htmx?.process(document.body);
    scrollTo(0, 0);
    opened();
  }

  // ---- small things ----------------------------------------------------------------------------------------------
  document.addEventListener("click", async (event) => {
    const copy = event.target.closest?.("[data-copy]"), reveal = event.target.closest?.("[data-reveal]");
    if (copy) {
      await navigator.clipboard?.writeText(copy.dataset.copy);
      showToast(copy.dataset.copied);
    }
    if (reveal) {
      const field = document.getElementById(reveal.dataset.reveal);
      const shown = field.type === "text";
      field.type = shown ? "password" : "text";
      reveal.setAttribute("aria-pressed", String(!shown));
    }
  });
  function opened() {
    settleDrafts();
    all("#toasts .toast").forEach(watchToast);
    const first = document.querySelector("[data-focus]");
    if (first) {
      first.focus();
      if (first.matches(".error-summary") && document.body.dataset.error && !document.title.startsWith(document.body.dataset.error)) {
        document.title = `${document.body.dataset.error} ${document.title}`;
      }
    }
    all("[data-files]").forEach((zone) => { if (filesOf(zone).length) listFiles(zone); });
  }
  document.addEventListener("htmx:afterSettle", () => settleDrafts());
  opened();
})();
