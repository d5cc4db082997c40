/* What the web form gains from scripts: the proof of work, files that go up as they are chosen, its height in a frame.
 * Without them the form is sent as it is.
 */
"use strict";
(() => {
  const form = document.querySelector("form[data-form]");

  // ---- in somebody else's page: tell it how high we are ----------------------------------------------------------
  if (window.parent !== window && document.body.classList.contains("embedded")) {
    let last = 0;
    const content = document.querySelector("main");
    const tell = () => {
      // the document itself is never lower than the frame, what stands in it is
      const height = Math.ceil(content.getBoundingClientRect().height);
      if (height === last) return;
      last = height;
      // no secret in it; which of the allowed sites is around us we cannot know
      window.parent.postMessage({ otklik: "height", height }, "*");
    };
    new ResizeObserver(tell).observe(content);
    tell();
  }
  if (!form) return;
  const fill = (words, ...facts) => facts.reduce((text, fact, n) => text.replace(`%${n + 1}`, () => fact), words);

  // ---- proof of work ----------------------------------------------------------------------------------------------
  const told = form.querySelector("[data-proof]"), payload = form.elements.altcha;
  const FRESH = 50 * 60e3;
  let solvedAt = 0, solving = null;

  function say(which) {
    told.querySelector(".proof-words").textContent = told.dataset[`words${which}`];
    told.querySelector(".proof-mark").toggleAttribute("hidden", which !== "Ready");
  }
  async function solve() {
    say("Running");
    try {
      const answer = await fetch(`/form/${form.dataset.form}/challenge?nonce=${form.elements.nonce.value}`);
      if (!answer.ok) throw new Error(`challenge: ${answer.status}`);
      const { parameters, signature } = await answer.json();
      const solution = await new Promise((resolve, reject) => {
        const worker = new Worker(form.dataset.worker);
        worker.onmessage = ({ data }) => { worker.terminate(); data.error ? reject(new Error(data.error)) : resolve(data); };
        worker.onerror = () => { worker.terminate(); reject(new Error("the worker did not start")); };
        worker.postMessage(parameters);
      });
      payload.value = btoa(JSON.stringify({ challenge: { parameters, signature }, solution }));
      solvedAt = Date.now();
      say("Ready");
    } catch {
      payload.value = "";
      solvedAt = Date.now();
      say("Failed");
    }
  }
  const proven = () => !told || (solvedAt && Date.now() - solvedAt < FRESH);
  const prove = () => { solving ??= solve().finally(() => { solving = null; }); return solving; };
  if (told) prove();
  window.addEventListener("pageshow", (event) => { if (event.persisted && told) { solvedAt = 0; prove(); } });

  // ---- files --------------------------------------------------------------------------------------------------------
  const uploads = new Set();
  const units = [...form.querySelectorAll("[data-upload]")].map((zone) => zone.dataset.wordsUnits.split("|"))[0] ?? [];
  function size(octets) {
    const thousands = octets < 1000 ? 0 : octets < 1e6 ? 1 : 2;
    const amount = octets / 1000 ** thousands;
    const digits = thousands === 0 || amount >= 10 ? 0 : 1;
    const unit = (units[thousands] ?? "").replace(/^1/, "");
    return amount.toLocaleString(document.documentElement.lang, { maximumFractionDigits: digits }) + unit;
  }
  function item(zone, name) {
    const row = zone.querySelector("template").content.firstElementChild.cloneNode(true);
    row.querySelector(".file-name").textContent = name;
    row.querySelector("progress").setAttribute("aria-label", name);
    button(zone, row.querySelector(".file-drop"), name);
    zone.querySelector(".file-list").append(row);
    return row;
  }
  function button(zone, drop, name) {
    drop.setAttribute("aria-label", fill(zone.dataset.wordsDrop, name));
    drop.title = drop.getAttribute("aria-label");
  }
  function hold(row, id) {
    const held = Object.assign(document.createElement("input"), { type: "hidden", name: "parked", value: id });
    row.append(held);
    row.dataset.held = id;
  }
  function remove(zone, row) {
    if (row.dataset.held) {
      const url = `/form/${form.dataset.form}/files/${row.dataset.held}/drop`;
      fetch(url, { method: "POST", headers: { "X-Form-Nonce": form.elements.nonce.value } }).catch(() => {});
    }
    row.remove();
    zone.querySelector("input[type=file]").focus();
  }
  function upload(zone, file) {
    const row = item(zone, file.name), bar = row.querySelector("progress"), state = row.querySelector(".file-size");
    const sending = new XMLHttpRequest(), body = new FormData();
    row.querySelector(".file-drop").addEventListener("click", () => { sending.abort(); remove(zone, row); });
    const refuse = (words) => {
      bar.hidden = true;
      row.classList.add("wrong");
      state.textContent = words;
      state.setAttribute("role", "status");
    };
    if (file.size > Number(zone.dataset.each)) { refuse(fill(zone.dataset.wordsLarge, file.name)); return; }
    // where it cannot go up alone it goes with the form
    const keep = () => {
      bar.hidden = true;
      const carrier = new DataTransfer(), own = document.createElement("input");
      carrier.items.add(file);
      Object.assign(own, { type: "file", name: zone.dataset.field, hidden: true });
      own.files = carrier.files;
      row.append(own);
      state.textContent = fill(zone.dataset.wordsWaits, size(file.size));
    };
    bar.hidden = false;
    state.textContent = size(file.size);
    body.append(zone.dataset.field, file);
    sending.upload.addEventListener("progress", (event) => {
      if (!event.lengthComputable) return;
      bar.value = 100 * event.loaded / event.total;
      state.textContent = fill(zone.dataset.wordsOf, size(Math.min(event.loaded, file.size)), size(file.size));
    });
    const done = new Promise((resolve) => {
      sending.addEventListener("loadend", resolve);
      sending.addEventListener("error", keep);
      sending.addEventListener("load", () => {
        let answer = {};
        try { answer = JSON.parse(sending.responseText); } catch { /* an error page: nothing to learn from it */ }
        if (sending.status === 201) {
          bar.hidden = true;
          hold(row, answer.id);
          row.querySelector(".file-name").textContent = answer.name;
          state.textContent = fill(zone.dataset.wordsThere, size(answer.size));
        } else if (answer.words && sending.status !== 503) {
          refuse(answer.words);
        } else {
          keep();
        }
      });
    });
    sending.open("POST", `/form/${form.dataset.form}/files`);
    sending.setRequestHeader("X-Form-Nonce", form.elements.nonce.value);
    sending.send(body);
    uploads.add(done);
    done.then(() => uploads.delete(done));
  }
  for (const zone of form.querySelectorAll("[data-upload]")) {
    const input = zone.querySelector("input[type=file]");
    for (const row of zone.querySelectorAll("[data-held]")) {
      const drop = zone.querySelector("template").content.querySelector(".file-drop").cloneNode(true);
      button(zone, drop, row.querySelector(".file-name").textContent);
      drop.addEventListener("click", () => remove(zone, row));
      row.querySelector(".file-leave").replaceWith(drop);
    }
    const take = (files) => { for (const file of files) upload(zone, file); };
    input.addEventListener("change", () => { take([...input.files]); input.value = ""; });
    for (const kind of ["dragover", "dragleave", "drop"]) {
      zone.addEventListener(kind, (event) => {
        if (!event.dataTransfer?.types.includes("Files")) return;
        event.preventDefault();
        zone.querySelector(".drop").classList.toggle("over", kind === "dragover");
        if (kind === "drop") take([...event.dataTransfer.files]);
      });
    }
  }

  // ---- sending: wait for files and proof, then go the usual way -----------------------------------------------------
  form.addEventListener("submit", (event) => {
    if (!uploads.size && proven()) return;
    event.preventDefault();
    event.stopPropagation();
    const pressed = event.submitter;
    pressed?.classList.add("busy");
    Promise.all([...uploads, proven() ? null : prove()]).then(() => {
      pressed?.classList.remove("busy");
      form.requestSubmit(pressed);
    });
  });
})();
