// What the pages do beyond forms and links: times in the reader's zone, plans as dialogs, queues that are dragged, keys.
// Everything works without it.
(() => {
  const root = document.documentElement;
  root.classList.add("js");

  // Times as people say them; the whole time, also in UTC, on hover.
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const ago = (seconds) => {
    const [size, unit] = units.find(([size]) => Math.abs(seconds) >= size) || [1, "s"];
    const count = Math.floor(Math.abs(seconds) / size);
    return seconds >= 0 ? `${count} ${unit} ago` : `in ${count} ${unit}`;
  };
  const showTimes = () => {
    for (const time of document.querySelectorAll("time[datetime]")) {
      const moment = new Date(time.dateTime);
      const seconds = (Date.now() - moment) / 1000;
      const isToday = moment.toDateString() === new Date().toDateString();
      const exact = isToday ? moment.toLocaleTimeString() : moment.toLocaleString();
      const words = "exact" in time.dataset || Math.abs(seconds) >= 86400 ? exact : ago(seconds);
      if (time.textContent !== words) time.textContent = words;
      time.title = `${moment.toLocaleString()} (${time.dateTime.replace("+00:00", " UTC")})`;
    }
    const short = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    for (const label of document.querySelectorAll("text[data-time]")) {
      label.textContent = new Date(label.dataset.time).toLocaleString([], short);
    }
    for (const zone of document.querySelectorAll("[data-zone]")) {
      zone.textContent = `times in ${Intl.DateTimeFormat().resolvedOptions().timeZone}`;
    }
  };

  // A time that is typed is one of the reader's zone: its distance from UTC goes with it.
  for (const field of document.querySelectorAll("input[type=datetime-local]")) {
    const offset = field.form.elements.offset, label = field.labels[0];
    label.textContent = label.textContent.replace("UTC", Intl.DateTimeFormat().resolvedOptions().timeZone);
    const note = () => { offset.value = field.value ? -new Date(field.value).getTimezoneOffset() : "0"; };
    field.form.addEventListener("submit", note);
  }

  // A plan is shown in a dialog over the page that asks for it.
  const dialog = document.createElement("dialog");
  dialog.className = "plan";
  dialog.setAttribute("aria-labelledby", "plan-title");
  document.body.append(dialog);
  let asker = null;
  const showPlan = async (address) => {
    asker = document.activeElement;
    const answer = await fetch(address, { headers: { Accept: "text/html" } }).catch(() => null);
    if (!answer) { location.assign(address); return; }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const plan = page.querySelector("#plan") || page.querySelector("main");
    dialog.replaceChildren(document.importNode(plan, true));
    showTimes();
    dialog.showModal();
    (dialog.querySelector(".primary") || dialog.querySelector("a"))?.focus();
  };
  dialog.addEventListener("close", () => { putBack(); asker?.focus?.(); });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-plan], a[data-close]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    if (link.matches("[data-close]") && !dialog.open) return;
    event.preventDefault();
    if (link.matches("[data-close]")) dialog.close(); else showPlan(link.href);
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-plan]")) return;
    event.preventDefault();
    showPlan(`${event.target.getAttribute("action")}?${new URLSearchParams(new FormData(event.target))}`);
  });

  // Queues are put into another order by dragging their handle, or with the arrow keys on it and Enter.
  let dragged = null, order = null;
  const lanes = () => document.querySelector(".lanes[data-plan]");
  const names = () => [...lanes().children].map((lane) => lane.dataset.queue);
  const begin = () => { order ??= [...lanes().children]; };
  const putBack = () => { if (order && lanes()) lanes().append(...order); order = null; };
  const planOrder = () => {
    if (!order || order.every((lane, index) => lane === lanes().children[index])) { order = null; return; }
    const query = new URLSearchParams([["version", lanes().dataset.version], ...names().map((name) => ["order", name])]);
    showPlan(`${lanes().dataset.plan}?${query}`);
  };
  document.addEventListener("dragstart", (event) => {
    const handle = event.target.closest?.(".handle");
    if (!handle) return;
    begin();
    dragged = handle.closest(".lane");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", dragged.dataset.queue);
  });
  document.addEventListener("dragover", (event) => {
    if (!dragged) return;
    event.preventDefault();
    const lane = event.target.closest?.(".lane");
    if (!lane || lane === dragged) return;
    const box = lane.getBoundingClientRect();
    if (event.clientY > box.top + box.height / 2) lane.after(dragged); else lane.before(dragged);
  });
  document.addEventListener("drop", (event) => { if (dragged) event.preventDefault(); });
  document.addEventListener("dragend", () => { if (dragged) { dragged = null; planOrder(); } });
  const moves = {
    ArrowUp: (lane) => lane.previousElementSibling?.before(lane),
    ArrowDown: (lane) => lane.nextElementSibling?.after(lane),
    Home: (lane) => lane.parentElement.prepend(lane),
    End: (lane) => lane.parentElement.append(lane),
  };
  document.addEventListener("keydown", (event) => {
    if (!event.target.matches?.(".handle")) return;
    if (moves[event.key]) { begin(); moves[event.key](event.target.closest(".lane")); event.target.focus(); }
    else if (event.key === "Enter") planOrder();
    else if (event.key === "Escape") { putBack(); event.target.focus(); }
    else return;
    event.preventDefault();
  });

  // Work on many runs (`form.action` would be the field of that name): one step follows the other until it is over or stopped.
  let isStopped = false;
  const content = () => document.querySelector("#content");
  const work = async (first) => {
    isStopped = false;
    for (let form = first; form && !isStopped; form = document.querySelector("form[data-steps]")) {
      form.querySelector("[data-stop]").hidden = false;
      form.querySelector(".primary").disabled = true;
      for (const note of document.querySelectorAll("#content > [role=alert]")) note.remove();
      const body = new URLSearchParams(new FormData(form));
      const answer = await fetch(form.getAttribute("action"), { method: "POST", body, headers: { Accept: "text/html" } });
      await show(answer);
    }
  };
  const show = async (answer) => {
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!answer.ok) throw new Error(page.querySelector("#content p")?.textContent || answer.statusText);
    content().replaceChildren(...document.importNode(page.querySelector("#content"), true).childNodes);
    showTimes();
  };
  // A count of many goes on by itself, and ends with the page that asks for consent. If a step fails, its button stays.
  const count = async () => {
    for (let form; (form = document.querySelector("form[data-counts]"));) {
      const query = new URLSearchParams(new FormData(form));
      await show(await fetch(`${form.getAttribute("action")}?${query}`, { headers: { Accept: "text/html" } }));
    }
  };
  count().catch(() => {});
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-steps]")) return;
    event.preventDefault();
    work(event.target).catch((fault) => {
      const form = document.querySelector("[data-steps]"), note = document.createElement("p");
      note.setAttribute("role", "alert");
      note.className = "banner";
      note.textContent = `▲ This step was not answered. ${fault.message} What was done stays done: go on when you like.`;
      form.before(note);
      form.querySelector(".primary").disabled = false;
      form.querySelector("[data-stop]").hidden = true;
    });
  });
  document.addEventListener("click", (event) => { if (event.target.closest("[data-stop]")) isStopped = true; });

  // The box above a column of boxes ticks all of them.
  document.addEventListener("change", (event) => {
    const name = event.target.dataset?.all;
    for (const box of name ? event.target.form.querySelectorAll(`input[name="${name}"]`) : []) box.checked = event.target.checked;
  });

  // Live messages wait while somebody aims, moves, types or decides something; the newest one is shown afterwards.
  let isHeld = false, missed = null, isPressed = false, aimed = 0;
  for (const name of ["pointerdown", "pointerup", "pointercancel"]) document.addEventListener(name, () => {
    isPressed = name === "pointerdown";
  });
  document.addEventListener("pointermove", (event) => { if (event.target.closest?.("[data-live]")) aimed = Date.now(); });
  const fields = "input:not([type=hidden], [type=checkbox]), textarea, select";
  const isChanged = (field) => field.matches("select")
    ? [...field.options].some((option) => option.selected !== option.defaultSelected) : field.value !== field.defaultValue;
  const isBusy = () => {
    const live = document.querySelector("[data-live]");
    const focused = document.activeElement;
    return isHeld || isPressed || Date.now() - aimed < 1000 || dragged || order || dialog.open || !live || (focused?.matches(fields) && live.contains(focused))
      || [...live.querySelectorAll(fields)].some(isChanged);
  };
  // A row that is ticked, or in which somebody is, stays where a list does not have it any more.
  const keepRows = (live, newer) => {
    for (const row of live.querySelectorAll("tr[id]")) {
      const isKept = row.contains(document.activeElement) || row.querySelector("input:checked");
      if (!isKept || newer.getElementById(row.id)) continue;
      const kept = row.cloneNode(true), note = document.createElement("span");
      note.className = "badge";
      note.textContent = "no longer in this list";
      if (!kept.querySelector("th > .badge:last-child")) kept.querySelector("th").append(" ", note);
      newer.querySelector("tbody")?.append(kept);
    }
  };
  const written = (element) => [...element.children].map((part) => part.outerHTML).join("\n");
  const bringUpToDate = async (text) => {
    const live = document.querySelector("[data-live]"), newer = new DOMParser().parseFromString(text, "text/html");
    keepRows(live, newer);
    await htmx.swap({ target: live, sourceElement: live, text: written(newer.body), swap: "innerMorph" });
    for (const all of live.querySelectorAll("[data-all]")) {
      const boxes = [...live.querySelectorAll(`input[name="${all.dataset.all}"]`)];
      all.checked = boxes.length > 0 && boxes.every((box) => box.checked);
    }
  };
  const badge = document.querySelector(".live");
  const say = (words) => { if (badge) { badge.textContent = words; badge.classList.toggle("stale", words !== "● live"); } };
  const showMissed = () => {
    if (missed === null || isBusy()) return;
    const text = missed;
    missed = null;
    bringUpToDate(text);
  };
  let isHeard = false, fresh = new Date();
  const outdated = (isOutdated) => document.querySelector("[data-live]")?.classList.toggle("outdated", isOutdated);
  document.addEventListener("htmx:sse:before:message", (event) => {
    isHeard = true;
    if (event.detail.message.event) return;
    fresh = new Date();
    outdated(false);
    if (!isHeld) say("● live");
    event.preventDefault();
    missed = event.detail.message.data;
    showMissed();
  });
  // The store does not answer: the page keeps what it shows.
  document.addEventListener("stale", (event) => {
    outdated(true);
    say(`▲ as of ${fresh.toLocaleTimeString()}, trying again. ${event.detail.data}`);
  });
  for (const name of ["htmx:sse:error", "htmx:sse:close"]) document.addEventListener(name, () => {
    isHeard = false;
    say("▲ not live, trying again");
  });
  // What is no stream is not part of the page: a proxy's page, or the refusal of one stream too many.
  document.addEventListener("htmx:before:swap", (event) => {
    const { ctx } = event.detail, kind = ctx?.response?.headers?.get("Content-Type");
    if (kind && ctx.sourceElement?.matches("[data-live]") && !kind.includes("text/event-stream")) event.preventDefault();
  });
  // Where no stream comes through, the page is read again every few seconds.
  const poll = async () => {
    const live = document.querySelector("[data-live]");
    if (!live || isHeard || document.hidden || isBusy()) return;
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
    const page = answer?.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
    if (!page) { outdated(true); say(`▲ as of ${fresh.toLocaleTimeString()}, trying again`); return; }
    const newer = page.querySelector("[data-live]");
    if (isHeard || isBusy()) return;
    if (!newer) { location.reload(); return; }
    fresh = new Date();
    outdated(false);
    await bringUpToDate(written(newer));
    say("● read again every 5 s");
  };
  setInterval(poll, 5000);
  document.addEventListener("htmx:after:settle", showTimes);
  setInterval(() => {
    showTimes();
    showMissed();
  }, 1000);
  showTimes();

  // Logs are read again every few seconds while the run lives and somebody looks. Who reads at the end stays there.
  let isReading = false;
  const follow = async () => {
    const section = document.querySelector("[data-follow]");
    if (!section || document.hidden || isReading) return;
    isReading = true;
    const answer = await fetch(section.dataset.follow, { headers: { Accept: "text/html" } }).catch(() => null);
    isReading = false;
    if (!answer?.ok || !section.isConnected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const log = section.querySelector(".log"), fresh = document.importNode(page.querySelector("section"), true);
    const newer = fresh.querySelector(".log").textContent, isAtEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
    if (log.textContent !== newer) log.textContent = newer;
    if (isAtEnd) log.scrollTop = log.scrollHeight;
    if (!fresh.dataset.follow) section.replaceWith(fresh);
  };
  setInterval(follow, 3000);

  // Keys. They can be switched off on the page /help.
  const setTheme = (theme) => {
    root.dataset.theme = theme;
    document.cookie = `dispatcher_theme=${theme}; path=/; SameSite=Strict; max-age=31536000`;
  };
  const themes = ["auto", "light", "dark"];
  const nextTheme = () => setTheme(themes[(themes.indexOf(root.dataset.theme) + 1) % themes.length]);
  document.querySelector(".theme")?.addEventListener("click", nextTheme);
  const rows = () => [...document.querySelectorAll("main tbody tr")].filter((row) => row.querySelector("a"));
  const step = (by) => {
    const all = rows(), at = all.findIndex((row) => row.contains(document.activeElement));
    all[Math.min(Math.max(at + by, 0), all.length - 1)]?.querySelector("a").focus();
  };
  const here = { o: "/", p: "/", r: "/runs", d: "/deployments", l: "/log" };
  const keys = {
    "/": () => document.querySelector("#search")?.focus(),
    "?": () => location.assign("/help"),
    j: () => step(1),
    k: () => step(-1),
    x: () => document.activeElement.closest("tr")?.querySelector("input[type=checkbox]")?.click(),
    t: nextTheme,
    l: () => { isHeld = !isHeld; say(isHeld ? "‖ not live" : "● live"); },
  };
  let isGoing = false;
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.matches?.("input:not([type=checkbox]), textarea, select, [contenteditable]");
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey || dialog.open || localStorage.getItem("keys") === "off") return;
    const action = isGoing && here[event.key] ? () => location.assign(here[event.key]) : keys[event.key];
    isGoing = event.key === "g";
    if (!action) return;
    event.preventDefault();
    action();
  });
  const switched = document.querySelector("#keys");
  if (switched) {
    switched.checked = localStorage.getItem("keys") !== "off";
    switched.addEventListener("change", () => localStorage.setItem("keys", switched.checked ? "on" : "off"));
  }

  document.querySelector(".faults")?.focus();
})();
