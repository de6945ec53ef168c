// Makes the editor of an edition nicer: buttons, pasting, keeping what was written. It works without.

const form = document.getElementById("editor");
const body = document.getElementById("body");
const said = document.getElementById("kept");
const losses = document.getElementById("losses");
const words = form.dataset;
const EVERY_MS = 5000;
const MOST_PASTED = 1000000;

// Through the browser's own editing, so that Ctrl+Z takes it back; else at the cursor.
function insert(text, chosen) {
  body.focus();
  if (!document.execCommand("insertText", false, text)) {
    body.setRangeText(text, body.selectionStart, body.selectionEnd, "end");
    body.dispatchEvent(new Event("input", { bubbles: true }));
  }
  if (chosen) {
    const at = body.selectionEnd - text.length + text.indexOf(chosen);
    body.setSelectionRange(at, at + chosen.length);
  }
}

// A block stands on lines of its own, with an empty one before it.
function block(text, chosen) {
  const before = body.value.slice(0, body.selectionStart);
  const gap = !before || before.endsWith("\n\n") ? "" : before.endsWith("\n") ? "\n" : "\n\n";
  insert(gap + text + "\n", chosen);
}

function put(kind) {
  const picked = body.value.slice(body.selectionStart, body.selectionEnd).trim();
  const text = picked || words.words;
  const lines = text.split("\n");
  switch (kind) {
    case "heading": return block(`## ${picked.replace(/\n/g, " ") || words.heading}\n`, picked ? "" : words.heading);
    case "bold": return insert(`**${text}**`, text);
    case "italics": return insert(`*${text}*`, text);
    case "link": return insert(`[${text}](https://)`, picked ? "https://" : text);
    case "list": return block(lines.map((one) => `- ${one}`).join("\n") + "\n", picked ? "" : text);
    case "quote": return block(`::: quote\nattribution: ${words.who}\n\n${text}\n:::\n`, words.who);
    default: return block(`::: ${kind}\n${text}\n:::\n`, text);
  }
}

for (const button of document.querySelectorAll("[data-insert]")) {
  button.addEventListener("click", () => put(button.dataset.insert));
}
for (const button of document.querySelectorAll("[data-picture]")) {
  button.addEventListener("click", () => block(`![${button.dataset.alt}](${button.dataset.picture})\n`, button.dataset.alt));
}

const token = form.elements.form_token.value;

function send(address, fields, more = {}) {
  return fetch(address, { method: "POST", body: fields, headers: { "X-Form-Token": token }, redirect: "error", ...more });
}

function tell(text, lost = []) {
  said.textContent = text;
  losses.replaceChildren(...lost.map((one) => Object.assign(document.createElement("li"), { textContent: one })));
}

// What comes from a word processor keeps its headings, links and lists.
body.addEventListener("paste", async (event) => {
  const html = event.clipboardData.getData("text/html");
  const plain = event.clipboardData.getData("text/plain");
  if (!html || body.readOnly) return;
  event.preventDefault();
  const refused = (why) => { insert(plain); tell(`${why} ${words.plain}`.trim()); };
  if (html.length > MOST_PASTED) { refused(""); return; }
  tell(words.pasting);
  try {
    const answer = await send(words.convert, new URLSearchParams({ html }));
    const found = await answer.json();
    if (!answer.ok) { refused(found.problem); return; }
    insert(found.markdown.trim());
    tell("", found.losses);
  } catch {
    refused("");
  }
});

// Keeping: five seconds after a change, and on leaving. After a clash nothing is sent any more but by
// the person: what was typed and refused stands in the page alone, and whoever leaves is asked first.
let timer = 0;
let changed = document.getElementById("problems") !== null;
let sending = null;
let stopped = !words.keep;

async function keep(more) {
  clearTimeout(timer);
  timer = 0;
  if (!changed || stopped) return;
  if (sending) { await sending; return keep(more); }
  changed = false;
  tell(words.saving);
  sending = send(words.keep, new URLSearchParams(new FormData(form)), more)
    .then(async (answer) => {
      const found = await answer.json();
      if (answer.ok) {
        form.elements.seen.value = found.version;
        tell(changed ? words.unsaved : words.saved);
        const frame = document.getElementById("preview");
        frame.src = frame.src; // The same address again leaves no entry to go back to.
      } else {
        changed = true;
        stopped = answer.status === 409;
        said.classList.add("problem");
        tell(found.problem);
      }
    })
    .catch(() => { changed = true; tell(words.failed); })
    .finally(() => { sending = null; });
  await sending;
  if (changed && !stopped && !timer) timer = setTimeout(keep, EVERY_MS);
}

form.addEventListener("input", () => {
  if (!changed && !stopped) tell(words.unsaved);
  changed = true;
  if (!timer && !stopped) timer = setTimeout(keep, EVERY_MS);
});
document.addEventListener("visibilitychange", () => {
  // A browser that closes sends at most 64 kB.
  if (document.visibilityState === "hidden") keep({ keepalive: body.value.length < 10000 });
});
addEventListener("beforeunload", (event) => { if (changed) event.preventDefault(); });

let leaving = false;
form.addEventListener("submit", async (event) => {
  const shown = event.submitter?.formTarget === "preview";
  if (shown || leaving) return;
  clearTimeout(timer);
  if (!sending) { changed = false; return; }
  // What is on its way has the version that the form must carry.
  event.preventDefault();
  await sending;
  leaving = true;
  changed = false;
  form.requestSubmit(event.submitter);
});

// A picture is added without leaving the text.
const adding = document.getElementById("add-picture");
adding?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const problem = document.getElementById("picture-problem");
  const fields = new FormData(adding);
  fields.set("as", "json");
  try {
    const answer = await send(adding.action, fields);
    const found = await answer.json();
    problem.textContent = found.problem ?? "";
    if (answer.ok) { block(`${found.markdown}\n`); adding.reset(); }
  } catch {
    problem.textContent = words.failed;
  }
});
