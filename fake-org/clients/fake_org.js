// What the programs here share: the line that `fake-org` printed, and the paths that drive it.
const org = JSON.parse(process.argv[2]);

const drive = async (path, body) => {
  const response = await fetch(`${org.login_url}/fake/${path}`, {
    method: 'POST',
    headers: body && { 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
};
const counters = async () => (await fetch(`${org.login_url}/fake/counters`)).json();

// A browser whose user is logged in and has allowed the app: where it is sent to, it goes.
const visit = (url) => fetch(url);
// The same browser, stopped at the callback: the code it brings there.
const codeFor = async (url) => {
  const response = await fetch(url, { redirect: 'manual' });
  return new URL(response.headers.get('location')).searchParams.get('code');
};

// Ends the program with what it found.
const report = (name, main) =>
  main().then(() => console.log(`${name}: all as at Salesforce`), (error) => { console.error(error); process.exit(1); });

module.exports = { org, drive, counters, visit, codeFor, report };
