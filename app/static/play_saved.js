// Saved conversations in the Playground: the one that is shown is saved after each answer and stands in the page's address, so that a
// reload, Back and a link bring it back. Another one is opened by going to its address: the server then fills in its run and settings.
(() => {
  const KEPT = "studio.playground.chat."; // and a run: which of its conversations this tab shows: { id, name, version, first, clean }
  const { parts } = studio.play;
  let shown = null; // { id, name, version } of the conversation on the page; null while it is not saved
  let panel = null;
  let document_ = null; // the one that was opened or saved, to notice when the page has begun another
  let arrived = false; // whether the address has been followed
  let comes = false; // whether its conversation is on its way

  const now = () => studio.play.now();
  const inAddress = () => new URLSearchParams(location.search).get("chat");
  const firstOf = (document) => document?.turns[0]?.id ?? null;
  const key = (document = now().document()) => KEPT + document.columns[1].run;
  const keptAt = (place) => {
    try {
      return JSON.parse(sessionStorage.getItem(place));
    } catch {
      return null;
    }
  };
  const kept = () => keptAt(key());
  const write = (document, chat, clean) => {
    try {
      if (chat) sessionStorage.setItem(key(document), JSON.stringify({ ...chat, first: firstOf(document), clean }));
      else sessionStorage.removeItem(key(document));
    } catch {
      // a full store costs what was not saved before a reload
    }
  };
  const note = (clean) => write(now().document(), shown, clean);
  const factsOf = ({ id, name, version }) => ({ id, name, version });
  const address = (id) => {
    const asked = new URL(location.href);
    asked.searchParams.delete("run");
    asked.searchParams.delete("chat");
    const run = now()?.document().columns[1].run;
    if (id) asked.searchParams.set("chat", id);
    else if (run) asked.searchParams.set("run", run);
    return asked;
  };
  const goTo = (id) => {
    sessionStorage.removeItem(key()); // what is there is saved, or given up
    location.assign(address(id));
    return new Promise(() => {}); // the page ends here
  };
  const take = (saved) => {
    shown = saved && factsOf(saved);
    document_ = now().document();
    note(true);
  };
  // A conversation as the page needs it; one that was not made here may have fewer columns.
  const whole = (document) => {
    const columns = [...document.columns];
    for (const kind of ["base", "run"].slice(columns.length)) columns.push({ kind, run: null, step: null, strength: 1, parts: [] });
    const listed = document.shown.length ? document.shown : columns.map((_, at) => at).slice(0, 7);
    return { ...document, columns, shown: [0, 1, ...listed.filter((at) => at > 1)] };
  };

  const page = {
    current: () => (now() ? { document: now().document(), id: shown?.id ?? null, version: shown?.version ?? null } : null),
    halt: () => now()?.halt(), // what is being written is not lost, and does not go on elsewhere
    // `document` is what was saved; by now the page may show another one.
    saved: (saved, document) => {
      if (document && firstOf(document) !== firstOf(now().document())) return write(document, factsOf(saved), true);
      if (inAddress() !== saved.id) history[inAddress() ? "pushState" : "replaceState"](history.state, "", address(saved.id));
      take(saved);
    },
    open: (document, saved) => {
      if (saved && arrived) return goTo(saved.id);
      now().open(document && whole(document));
      take(saved);
      if (!saved && inAddress()) history.pushState(history.state, "", address(null));
      else if (saved && inAddress() !== saved.id) history.replaceState(history.state, "", address(saved.id));
    },
  };

  // The page has its runs: for the first time, or another one was chosen.
  const arrive = async () => {
    if (!panel) return;
    if (arrived) {
      if (now().document() === document_) return;
      const other = kept(); // the conversation that this tab had with the run that was chosen
      const its = other?.first && other.first === firstOf(now().document()) ? other : null;
      if (!shown && !its) return;
      take(its);
      history.pushState(history.state, "", address(its?.id));
      panel.refresh();
      if (its && !its.clean) panel.save();
      return;
    }
    const held = kept();
    const here = held?.first && held.first === firstOf(now().document());
    const wanted = inAddress() ?? (here ? held.id : null);
    comes = Boolean(wanted);
    if (!wanted) return void (arrived = true);
    if (here && held.id === wanted && !held.clean) {
      arrived = true;
      comes = false;
      page.saved(held);
      note(false);
      await panel.save(); // what was not saved before the reload
      return;
    }
    await panel.open(wanted);
    arrived = true;
    comes = false;
    now().resume();
  };

  let due = false;
  parts.comes = () => comes || (!arrived && Boolean(inAddress()));
  parts.isMine = (run) => arrived || !inAddress() || keptAt(KEPT + run)?.id === inAddress();
  parts.taken.push(() => ((due = true), arrive()));
  parts.answered.push(() => {
    note(false);
    panel?.save();
  });
  addEventListener("popstate", () => arrived && inAddress() !== (shown?.id ?? null) && location.reload());

  studio.play.layChats = (element) => {
    const { el } = studio.parts;
    const root = el("div", {});
    const fold = el("details", { class: "rs-folded rs-play-fold" }, el("summary", {}, words.chats.title), root);
    (element.querySelector("div") ?? element).replaceChildren(fold);
    panel = studio.chats.lay(root, { ...page, trouble: () => (fold.open = true) });
    if (due) arrive();
  };
})();
