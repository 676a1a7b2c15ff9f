// What a page asks the server for. A request that fails becomes an answer that says so: Gradio would otherwise give the whole page up
// (and load it anew, with what was typed lost) or wait for ever, where now the event's own sentence is shown.
window.studio = (() => {
  const AWAY = words.away;
  // A quotation mark is written as %22 in an address.
  const reload = `<a href="${location.pathname}${location.search}">${words.reload}</a>`;
  const REFUSED = words.refused.replace("{reload}", () => reload);
  // Where a proxy logs people in, any page of the studio leads to it.
  const login = people === "team" ? `login?next=${encodeURIComponent(location.pathname + location.search)}` : location.pathname;
  const LOGGED_OUT = words.logged_out.replace("{log_in}", () => `<a href="${login}" target="_blank" rel="noopener">${words.person.log_in}</a>`);
  // By its number whoever looks after the studio finds the failure in the log.
  const refusalOf = (response) => {
    if (response.status === 401) return LOGGED_OUT;
    const number = response.headers.get("X-Request-Id");
    return number ? `${REFUSED} ${words.tell.replace("{number}", () => escaped(number))}` : REFUSED;
  };
  const LOST = '\n\ndata: {"msg": "unexpected_error", "message": "", "success": false}\n\ndata: {"msg": "close_stream"}\n\n';
  // Milliseconds until an engine that was away or busy is asked anew; each time twice as long.
  const FIRST_WAIT = 3000;
  const LONGEST_WAIT = 60000;
  const ask = window.fetch.bind(window);
  let sentence = REFUSED;
  let count = 0;
  let halted = false;
  let changed = "";
  let wait = FIRST_WAIT;

  // Another count makes the same sentence a new one, so that it is read out again.
  const told = (text, again = true) => `<div class="rs-notice bad" data-told="page-${again ? (count += 1) : 0}">${text}</div>`;
  const escaped = (text) => Object.assign(document.createElement("i"), { textContent: text }).innerHTML;

  const failing = (asked, why) => {
    sentence = why;
    return new Response(asked === "upload" ? why : JSON.stringify({ error: null, detail: why }), { status: 500 });
  };

  // The stream of answers ends with a message of its own. One that ends without it has lost its server.
  const watched = (response) => {
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    let end = "";
    const lose = (controller) => {
      sentence = AWAY;
      controller.enqueue(new TextEncoder().encode(LOST));
      controller.close();
    };
    const pull = async (controller) => {
      try {
        const { done, value } = await reader.read();
        if (done && end.includes("close_stream")) return controller.close();
        if (done) return lose(controller);
        end += decoder.decode(value, { stream: true });
        if (/"msg": ?"unexpected_error"/.test(end)) sentence = AWAY; // the last word of a server that is being ended
        end = end.slice(-100);
        controller.enqueue(value);
      } catch (error) {
        if (error.name === "AbortError") controller.error(error);
        else lose(controller);
      }
    };
    return new Response(new ReadableStream({ pull, cancel: (why) => reader.cancel(why) }), response);
  };

  window.fetch = async (target, options) => {
    const path = new URL(target instanceof Request ? target.url : target, location.href).pathname;
    const asked = path.match(/\/gradio_api\/(run|upload|queue\/join|queue\/data)(\/|$)/)?.[1];
    if (!asked) return ask(target, options);
    if (asked === "queue/join") halted = false;
    let response;
    try {
      response = await ask(target, options);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      if (asked !== "queue/data") return failing(asked, AWAY);
      sentence = AWAY;
      return new Response(LOST);
    }
    sentence = refusalOf(response);
    if (asked === "queue/data") return response.ok ? watched(response) : new Response(LOST);
    return response.ok ? response : failing(asked, sentence);
  };

  return {
    loggedOut: LOGGED_OUT,
    // An event that was not answered by its handler: the sentence for its note, and what is no longer valid.
    failed: (values, stoppable, again) => (stoppable && halted ? [] : [told(sentence, again), ...values]),
    stopped: (values) => {
      halted = true;
      return values;
    },
    // The values of an answer; those of an older one are not shown any more.
    newest: (count, answer, asked) => {
      const found = answer ? JSON.parse(answer) : {};
      return found.asked === asked ? found.shown : Array(count).fill({ __type__: "update" });
    },
    // A person has changed something; what asks again by itself gives way to that.
    asks: () => (changed = String(performance.now())),
    // Where the newest answer is not complete, a new question after a while.
    askAgain: async (answer, asked) => {
      const found = answer ? JSON.parse(answer) : {};
      if (!found.again || found.asked !== asked) {
        if (!found.again) wait = FIRST_WAIT;
        return { __type__: "update" };
      }
      const before = changed;
      await new Promise((over) => setTimeout(over, wait));
      if (changed !== before) return { __type__: "update" };
      wait = Math.min(2 * wait, LONGEST_WAIT);
      return `again ${performance.now()}`;
    },
    // Of an upload that fails Gradio tells in a corner of the window, for ten seconds; here it is said in the note beside the file too.
    uploads: (note) => {
      const toasts = '[data-testid="toast-text"]';
      new MutationObserver((changes) => {
        const added = changes.flatMap((change) => [...change.addedNodes]).filter((node) => node instanceof Element);
        const toast = added.flatMap((node) => (node.matches(toasts) ? [node] : [...node.querySelectorAll(toasts)])).pop();
        if (toast) note.value = told(toast.textContent.startsWith("HTTP ") ? sentence : escaped(toast.textContent));
      }).observe(document.body, { childList: true, subtree: true });
    },
  };
})();
