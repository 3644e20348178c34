"use strict";

// Loads the table again, as this page's own user. Many changes at once are one request.
const loadAccounts = (() => {
  let waiting;
  const load = async () => {
    waiting = undefined;
    const response = await fetch(location.href, { headers: { accept: "text/html" } });
    if (!response.ok || response.redirected) return;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const table = page.getElementById("accounts");
    if (table) document.getElementById("accounts").replaceWith(table);
  };
  return () => { waiting ??= setTimeout(load, 100 + Math.random() * 300); };
})();

let live;

// A browser reconnects by itself after a lost connection, and not after an error status such as 503 in a deployment.
function connect() {
  live = new EventSource("/accounts/live");
  // Changes from before the stream began are in the table of the page or in the one that is loaded now.
  for (const event of ["open", "change", "reset"]) live.addEventListener(event, loadAccounts);
  live.addEventListener("error", async () => {
    if (live.readyState !== EventSource.CLOSED) return;
    const me = await fetch("/auth/salesforce/me").catch(() => undefined);
    // Without a login there is nothing to wait for.
    if (me?.status !== 401) setTimeout(connect, 10_000 + Math.random() * 10_000);
  });
}

connect();
