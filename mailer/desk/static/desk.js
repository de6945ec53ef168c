// Makes some pages of the desk nicer; every one of them works without.

// Who sent a form with a mistake hears of it first.
document.getElementById("problems")?.focus();

// A part of a page that changes while one looks: the server sends it again as it changes.
for (const part of document.querySelectorAll("[data-live]")) {
  const source = new EventSource(part.dataset.live);
  source.addEventListener("part", (event) => {
    const fresh = new DOMParser().parseFromString(event.data, "text/html");
    part.replaceChildren(...fresh.body.childNodes);
  });
  source.addEventListener("end", () => { source.close(); location.reload(); });
}
for (const one of document.querySelectorAll(".live")) one.hidden = false;

// A part that takes a while to count comes by itself; without scripts a link leads to it.
for (const part of document.querySelectorAll("[data-fetch]")) {
  fetch(part.dataset.fetch)
    .then((answer) => (answer.ok ? answer.text() : Promise.reject(answer.status)))
    .then((html) => {
      const fresh = new DOMParser().parseFromString(html, "text/html");
      part.replaceChildren(...fresh.body.childNodes);
    })
    .catch(() => {}); // The link stays.
}
