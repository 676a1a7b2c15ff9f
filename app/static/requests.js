// What a page asks the server for. A request that fails becomes an answer that says so: Gradio would otherwise give the whole page up
// (and load it anew, with what was typed lost) or wait for ever, where now the event's own sentence is shown.
window.studio = (() => {
  const AWAY = "The studio did not answer. Try again when it is back; what was saved is not lost.";
  const REFUSED = 'The studio did not take this, perhaps because it was started again. <a href="">Reload the page</a> and try again.';
  const LOST = '\n\ndata: {"msg": "unexpected_error", "message": "", "success": false}\n\ndata: {"msg": "close_stream"}\n\n';
  const ask = window.fetch.bind(window);
  let sentence = REFUSED;
  let count = 0;
  let halted = false;

  const failing = (words) => {
    sentence = words;
    return new Response(JSON.stringify({ error: null, detail: words }), { status: 500, headers: { "Content-Type": "application/json" } });
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
        end = (end + decoder.decode(value, { stream: true })).slice(-100);
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
    const asked = path.match(/\/gradio_api\/(run|queue\/join|queue\/data)(\/|$)/)?.[1];
    if (!asked) return ask(target, options);
    if (asked === "queue/join") halted = false;
    let response;
    try {
      response = await ask(target, options);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      if (asked !== "queue/data") return failing(AWAY);
      sentence = AWAY;
      return new Response(LOST);
    }
    if (asked === "queue/data") return response.ok ? watched(response) : new Response(LOST);
    sentence = REFUSED;
    return response.ok ? response : failing(REFUSED);
  };

  return {
    // An event that was not answered by its handler: the sentence for its note, and what is no longer valid.
    failed: (values, stoppable) => {
      if (stoppable && halted) return [];
      count += 1;
      return [`<div class="rs-notice bad" data-told="page-${count}">${sentence}</div>`, ...values];
    },
    stopped: (values) => {
      halted = true;
      return values;
    },
  };
})();
