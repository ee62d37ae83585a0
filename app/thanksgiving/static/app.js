// Everything works without this file. With it, claims do not reload the page and the table fills up while you look.
(() => {
  "use strict";
  const SECONDS = 5;

  // Takes over the live parts of a freshly fetched page, except where somebody is typing.
  function swap(html) {
    const fresh = new DOMParser().parseFromString(html, "text/html");
    for (const next of fresh.querySelectorAll("[data-swap], #notice")) {
      const now = document.getElementById(next.id);
      if (!now || now.innerHTML === next.innerHTML) continue;
      const active = document.activeElement;
      const inside = now.contains(active) && active !== document.body;
      if (inside && active.matches("input, textarea, select")) continue;
      const label = inside && active.getAttribute("aria-label");
      const dish = inside && active.closest("[id^=dish-]");
      now.replaceChildren(...next.childNodes);
      now.className = next.className;
      if (inside) {
        const home = (dish && document.getElementById(dish.id)) || now;
        const again = [...home.querySelectorAll("button, a")].find((one) => one.getAttribute("aria-label") === label);
        (again || home.querySelector("button, a"))?.focus();
      }
    }
    return fresh;
  }

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("form[data-enhance]")) return;
    event.preventDefault();
    const button = event.submitter || form.querySelector("button");
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
      const html = await answer.text();
      if (!answer.ok && !html.includes('id="notice"')) throw new Error("refused");
      // The value typed here is sent; let the new state of this form come in.
      if (form.contains(document.activeElement)) button.focus();
      const fresh = swap(html);
      if (answer.ok && form.dataset.enhance === "reset" && !fresh.querySelector(".notice.bad")) form.reset();
    } catch {
      form.submit(); // the plain way shows what is wrong
    } finally {
      button.removeAttribute("aria-busy");
    }
  });

  if (document.body.hasAttribute("data-live")) {
    let etag = "";
    const look = async () => {
      if (document.hidden) return;
      try {
        const answer = await fetch(location.pathname, { headers: etag ? { "If-None-Match": etag } : {}, cache: "no-store" });
        if (answer.status === 200) {
          etag = answer.headers.get("ETag") || "";
          const said = document.getElementById("notice")?.innerHTML;
          swap(await answer.text());
          if (said && document.getElementById("notice")) document.getElementById("notice").innerHTML = said;
        }
      } catch { /* offline for a moment: the next look will do */ }
    };
    setInterval(look, SECONDS * 1000);
    document.addEventListener("visibilitychange", look);
  }

  const add = document.querySelector("[data-add-row]");
  if (add) {
    add.hidden = false;
    add.addEventListener("click", () => {
      const rows = document.querySelectorAll("#wishes .wish:not(.head)");
      const row = rows[rows.length - 1].cloneNode(true);
      const number = rows.length + 1;
      for (const field of row.querySelectorAll("input, select")) {
        field.setAttribute("aria-label", field.getAttribute("aria-label").replace(/\d+$/, number));
        if (field.name === "dish_name") field.value = "";
        if (field.name === "dish_wanted") field.value = "1";
      }
      add.before(row);
      row.querySelector("input").focus();
    });
  }

  const zoned = document.querySelector("form[data-zone]");
  if (zoned && !document.querySelector(".problem")) {
    zoned.elements.timezone.value = Intl.DateTimeFormat().resolvedOptions().timeZone || zoned.elements.timezone.value;
  }

  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).value);
      button.textContent = "Copied";
    });
  }
})();
