// Saved conversations of the Playground: the list, and how the one that the page shows is saved again and again. The page holds the
// conversation itself and gives: open(document, saved) to show one (null for a new one), current() for its {document, id, version}, and
// saved({id, name, version}, document) to take note of what was saved, and may give trouble(), which is told that a sentence needs to be
// seen, and halt(), after which the conversation does not change by itself.
(() => {
  const PAGE = 20; // conversations that are asked for at once, and at most where the list is asked for anew
  const MOST = 400;
  const TAKEN_AWAY = ["md", "jsonl"];
  let pressed = false;
  addEventListener("pointerdown", () => (pressed = true), true);
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => (pressed = false), true);

  const { ask } = studio.server;

  const lay = (element, page) => {
    const { el, button, filled, keepingFocus, onceReleased } = studio.parts;
    const text = words.chats;
    const address = (id, deed) => `play/chats/${encodeURIComponent(id)}${deed ? `/${deed}` : ""}`;

    const title = el("h2", { class: "rs-section" }, text.title);
    const begin = button(text.begin, "begin", () => turnTo(null));
    const state = el("p", { class: "rs-facts" }); // not read out: it changes after each answer
    const live = el("p", { class: "rs-hidden", role: "status" });
    const trouble = el("div", { class: "rs-notice bad rs-chats-bar", role: "status", hidden: "" });
    const undoing = el("div", { class: "rs-notice rs-chats-bar", role: "status", hidden: "" });
    const list = el("ul", { role: "list", "aria-label": text.title });
    const none = el("p", { class: "rs-facts", hidden: "" });
    const more = button(text.more, "more", () => fetchList(true));
    const bin = button("", "bin", () => ((binned = !binned), (renaming = sure = ""), fetchList()));
    const foot = el("div", { class: "rs-chats-tools" }, more, bin);

    let chats = new Map(); // by id, the one that was saved last first
    let facts = { total: 0, binned: 0, days: 0, shared: false };
    let binned = false; // whether the bin is shown
    let renaming = ""; // which one gets a new name
    let sure = ""; // which one is about to be removed for good
    let asked = 0;
    let listed = 0; // the newest list that has come
    let anew = false; // whether the next saving makes a new conversation of it
    let saving = null; // what is on its way to the server
    let again = false;
    let key = studio.server.key(); // of what becomes a conversation
    let known = { id: null, text: "" }; // what was saved last, or opened

    // The list

    const fetchList = async (further = false) => {
      const mine = (asked += 1);
      const [offset, limit] = further ? [chats.size, PAGE] : [0, Math.min(MOST, Math.max(PAGE, chats.size))];
      const { data, error } = await ask(`play/chats?${new URLSearchParams({ offset, limit, binned })}`);
      if (mine !== asked) return;
      listed = mine;
      if (error) return tell(error);
      if (!further) chats = new Map();
      for (const chat of data.chats) chats.set(chat.id, chat);
      facts = data;
      draw();
    };
    // Something in it is newer than a list that is on its way.
    const changed = () => (asked === listed ? draw() : fetchList());
    const named = (deed, chat) => filled(text.of, { deed, name: chat.name });
    const deed = (word, key, chat, act) => {
      const made = button(word, `${key} ${chat.id}`, act);
      made.setAttribute("aria-label", named(word, chat));
      return made;
    };
    const when = (chat) => new Date(chat.updated_at).toLocaleString(words.language, { dateStyle: "short", timeStyle: "short" });
    const opener = (chat) => {
      const is = page.current()?.id === chat.id;
      const inside = [el("b", { dir: "auto" }, chat.name), el("small", {}, when(chat))];
      const made = el("button", { type: "button", class: "rs-chat-open", "data-key": `open ${chat.id}`, "aria-current": is ? "true" : null }, ...inside);
      made.onclick = () => turnTo(chat.id);
      made.onkeydown = (event) => {
        const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
        if (!step) return;
        const all = [...list.querySelectorAll(".rs-chat-open")];
        all[all.indexOf(made) + step]?.focus();
        event.preventDefault();
      };
      return made;
    };
    const file = (chat, form) =>
      el("a", { class: "rs-quiet", href: `files/chats/${encodeURIComponent(chat.id)}.${form}`, download: "", "data-key": `${form} ${chat.id}`, "aria-label": named(text[form], chat) }, text[form]);
    const share = (chat) =>
      el("a", { class: "rs-quiet", href: `share/chat/${encodeURIComponent(chat.id)}`, "data-key": `share ${chat.id}`, "aria-label": named(text.share, chat) }, text.share);
    const naming = (chat) => {
      const field = el("input", { type: "text", maxlength: "200", dir: "auto", "data-key": `name ${chat.id}`, "aria-label": named(text.name, chat) });
      field.value = chat.name;
      let open = true;
      const close = async (take) => {
        if (!open) return;
        open = false;
        const { data, error } = take && field.value !== chat.name ? await ask(address(chat.id, "rename"), { name: field.value }) : {};
        if (renaming === chat.id) renaming = "";
        if (error) tell(error);
        else if (data) {
          chats.set(chat.id, data);
          // The version that the page has read stays: another window may have saved a newer one.
          const shown = page.current();
          if (shown?.id === data.id) page.saved?.({ ...data, version: shown.version });
        }
        const held = document.activeElement === field || document.activeElement === document.body;
        draw();
        if (data) changed();
        if (held) focusOn(`rename ${chat.id}`);
      };
      field.onkeydown = (event) => {
        if (event.key === "Escape") close(false);
        if (event.key === "Enter") close(true);
      };
      // A press on a button ends the naming; the list must not change under it before it is released.
      field.onblur = () => (pressed ? addEventListener("pointerup", () => setTimeout(() => close(true)), { once: true }) : close(true));
      return [field, el("small", {}, text.name_keys)];
    };
    const focusOn = (key) => [...element.querySelectorAll("[data-key]")].find((each) => each.dataset.key === key)?.focus();
    const own = (chat) => [
      deed(text.rename, "rename", chat, () => ((renaming = chat.id), draw(), focusOn(`name ${chat.id}`))),
      ...TAKEN_AWAY.map((form) => file(chat, form)),
      ...(facts.shared ? [share(chat)] : []),
      deed(text.delete, "delete", chat, () => remove(chat)),
    ];
    const away = (chat) => {
      if (sure !== chat.id) {
        return [
          deed(text.restore, "restore", chat, () => restore(chat)),
          deed(text.remove, "remove", chat, () => ((sure = chat.id), draw(), focusOn(`keep ${chat.id}`))),
        ];
      }
      return [
        el("span", {}, text.remove_sure),
        deed(text.remove_yes, "gone", chat, () => ((sure = ""), act(chat, "remove"))),
        deed(text.remove_no, "keep", chat, () => ((sure = ""), draw(), focusOn(`remove ${chat.id}`))),
      ];
    };
    const entry = (chat) => {
      const tools = el("div", { class: "rs-chats-tools" }, ...(binned ? away(chat) : own(chat)));
      if (renaming === chat.id) return el("li", {}, ...naming(chat));
      return el("li", {}, binned ? el("b", { dir: "auto" }, chat.name) : opener(chat), tools);
    };
    // The entry whose name is being typed, which stays as it is while all around it is drawn anew.
    const isNaming = () => [...list.children].find((item) => renaming && item.querySelector("input")?.dataset.key === `name ${renaming}`);
    const drawList = () => {
      const typed = isNaming();
      if (!typed) return list.replaceChildren(...[...chats.values()].map(entry));
      for (const item of [...list.children]) if (item !== typed) item.remove();
      const all = [...chats.values()];
      const place = all.findIndex((chat) => chat.id === renaming);
      typed.before(...all.slice(0, Math.max(0, place)).map(entry));
      typed.after(...all.slice(place + 1).map(entry));
    };
    const draw = onceReleased(element, () =>
      keepingFocus(element, () => {
        drawList();
        none.hidden = chats.size > 0;
        none.textContent = binned ? text.none_binned : text.none;
        more.hidden = chats.size >= facts.total;
        bin.hidden = !binned && !facts.binned;
        bin.textContent = binned ? text.back : filled(text.bin, { count: facts.binned, days: facts.days });
      }),
    );

    // What is said

    const bar = (root, sentence, ...deeds) => {
      root.hidden = !sentence;
      root.replaceChildren(el("span", {}, sentence), ...deeds);
    };
    const tell = (sentence, ...deeds) => {
      bar(trouble, sentence, ...deeds);
      if (sentence) page.trouble?.();
    };

    // What is done with one of the list

    const act = async (chat, what) => {
      const { data, error } = await ask(address(chat.id, what), {});
      tell(error ?? "");
      await fetchList();
      return data ?? null;
    };
    const remove = async (chat) => {
      const shown = page.current()?.id === chat.id;
      if (shown) page.halt?.();
      await saving;
      const gone = await act(chat, "delete");
      if (!gone) return;
      const undo = button(text.undo, "undo", async () => {
        bar(undoing, "");
        if ((await restore(chat)) && shown) await turnTo(chat.id);
        focusOn(`open ${chat.id}`);
      });
      bar(undoing, filled(text.deleted, { name: chat.name }), undo);
      if (shown) await show(null, null);
      if (!isNaming()) undo.focus(); // a name that is being typed by now is not left
    };
    const restore = (chat) => act(chat, "restore");

    // Which one the page shows

    const show = async (document, saved) => {
      await page.open(document, saved);
      known = { id: saved?.id ?? null, text: JSON.stringify(settled(page.current()?.document)) };
      state.textContent = live.textContent = saved ? filled(text.opened, { name: saved.name }) : "";
      draw();
    };
    // Another one, or a new one; only once the one before is saved, so that nothing is lost.
    const turnTo = async (id) => {
      page.halt?.();
      if (await save()) return goOn(id);
      // Some refusals cannot be cured, as that of one that has become too large.
      trouble.append(button(text.leave, "leave", () => (tell(""), goOn(id))));
    };
    const goOn = (id) => (id === null ? show(null, null) : open(id));
    const open = async (id) => {
      page.halt?.();
      await saving;
      const { data, error } = await ask(address(id));
      if (error) return tell(error), fetchList();
      tell("");
      const { document, ...saved } = data;
      await show(document, saved);
    };

    // A conversation as it is saved: without answers that are still being written.
    const settled = (document) => {
      const turns = document?.turns?.map((turn) => ({ ...turn, answers: turn.answers.filter((answer) => answer.ended !== null) }));
      return turns?.length ? { ...document, turns } : null;
    };
    // Saving: one at a time, and once more for what has changed meanwhile.

    const send = async () => {
      const isNew = anew;
      if (isNew) key = studio.server.key();
      anew = false;
      const { id, version, ...shown } = page.current() ?? {};
      const document = settled(shown.document);
      const whole = JSON.stringify(document);
      if (!document || (!isNew && id && id === known.id && whole === known.text)) return true;
      state.textContent = text.saving;
      const { data: found, error, kind } = id && !isNew ? await ask(address(id), { document, version }) : await ask("play/chats", { document, key });
      state.textContent = error ? text.not_saved : text.saved;
      if (error) return refuse(error, kind, id), false;
      if (page.current()?.document === shown.document) known = { id: found.id, text: whole };
      key = studio.server.key();
      tell("");
      await page.saved?.(found, shown.document);
      if (isNew || !id || !chats.has(id)) await fetchList();
      else {
        chats = new Map([[found.id, found], ...[...chats].filter(([each]) => each !== found.id)]);
        changed();
      }
      return true;
    };
    const refuse = (refused, kind, id) => {
      const asNew = button(text.save_as_new, "as new", () => save(true));
      if (kind === "chats.conflict") return tell(refused, button(text.open_saved, "open saved", () => open(id)), asNew);
      const back = button(text.restore, "put back", async () => (await act({ id }, "restore")) && save());
      if (kind === "chats.binned") return tell(refused, back, asNew);
      if (kind === "chats.not_found") return tell(refused, asNew);
      tell(refused, button(text.save_again, "save again", () => save()));
    };
    // Whether all is saved now.
    const save = (asNew = false) => {
      again = true;
      anew ||= asNew;
      saving ??= (async () => {
        let done = true;
        try {
          while (again && done) {
            again = false;
            done = await send();
          }
        } finally {
          saving = null;
        }
        return done;
      })();
      return saving;
    };

    element.classList.add("rs-chats");
    element.replaceChildren(title, begin, state, trouble, undoing, list, none, foot, live);
    document.addEventListener("visibilitychange", () => !document.hidden && element.isConnected && !renaming && fetchList());
    fetchList();
    // What the page asks for: after each answer it saves, and after a reload it opens the one that its address names.
    return { save, open, refresh: () => fetchList() };
  };

  studio.chats = { lay };
})();
