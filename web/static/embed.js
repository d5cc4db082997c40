/* Shows a web form on another site. That site's origin has to stand in `origins` of the form's settings.
 *
 *   <script src="https://desk.example.ru/static/embed.js" data-form="support" data-lang="ru" async></script>
 *
 * The form appears in the place of the script, as high as it needs to be.
 */
"use strict";
(() => {
  const script = document.currentScript;
  if (!script) return;
  const { origin } = new URL(script.src);
  const frame = document.createElement("iframe");
  const address = new URL(`/form/${encodeURIComponent(script.dataset.form || "support")}`, origin);
  address.searchParams.set("embed", "1");
  if (script.dataset.lang) address.searchParams.set("lang", script.dataset.lang);
  frame.src = address.href;
  frame.title = script.dataset.title || "Otklik";
  frame.style.cssText = "display:block;width:100%;border:0;min-height:480px;color-scheme:normal";
  frame.setAttribute("sandbox", "allow-forms allow-scripts allow-same-origin allow-popups allow-popups-to-escape-sandbox");
  window.addEventListener("message", (event) => {
    // only our own form may change the page, and nothing but the height of its frame
    if (event.origin !== origin || event.source !== frame.contentWindow || event.data?.otklik !== "height") return;
    const height = Number(event.data.height);
    if (height > 0 && height < 20000) frame.style.height = `${Math.ceil(height)}px`;
  });
  script.after(frame);
})();
