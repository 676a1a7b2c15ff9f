// What the scripts of the pages ask the server for: once, or as lines that come one after the other.
(() => {
  const { filled } = studio.parts;
  const posting = (body, signal) => ({ method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal });
  const refused = () => filled(words.refused, { reload: words.reload });

  // A key by which the server knows the same request again: what is sent twice, since its answer was lost, is done once.
  const key = () => crypto.getRandomValues(new Uint32Array(3)).reduce((text, part) => text + part.toString(36), "k");
  // What the server says: its `data`, or the `error` with which it refuses, a sentence; some have a `kind`. With a body it is a POST.
  // Throws an AbortError where `signal` ended it.
  const ask = async (path, body, signal) => {
    try {
      const response = await fetch(path, body === undefined ? { cache: "no-store", signal } : posting(body, signal));
      const found = await response.json().catch(() => null);
      return response.ok && found ? { data: found } : { error: found?.error ?? refused(), kind: found?.kind };
    } catch (error) {
      if (error.name === "AbortError") throw error;
      return { error: words.away };
    }
  };

  // Lines of JSON as they come. Whoever stops reading ends what is asked.
  const lines = async function* (response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const found = (rest + value).split("\n");
      rest = found.pop();
      for (const line of found) yield JSON.parse(line);
    }
  };
  // The lines until the one that says that all is done. Throws an error that says in a sentence why not all of them came; an AbortError
  // where `signal` ended it.
  const stream = async function* (path, body, signal) {
    const fail = (sentence) => Object.assign(new Error(sentence), { said: true });
    try {
      const response = await fetch(path, posting(body, signal));
      if (!response.ok) throw fail((await response.json().catch(() => null))?.error ?? refused());
      for await (const line of lines(response)) {
        if (line.error) throw fail(line.error);
        if (line.done) return;
        yield line;
      }
    } catch (error) {
      throw error.said || error.name === "AbortError" ? error : fail(words.away);
    }
    throw fail(words.away);
  };

  studio.server = { ask, key, stream };
})();
