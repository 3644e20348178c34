// jsforce, unpatched, against the fake org. The first argument is the line that `fake-org` prints.
//
// The org runs without refresh token rotation: jsforce keeps the refresh token of the login and does not take over the one
// that a refresh brings, so that its second refresh ends the login. That is jsforce's, and one reason for this project.
const assert = require('node:assert/strict');
const jsforce = require('jsforce');

const org = JSON.parse(process.argv[2]);
const drive = (path) => fetch(`${org.login_url}/fake/${path}`, { method: 'POST' });

async function login() {
  const oauth2 = new jsforce.OAuth2({
    loginUrl: org.login_url,
    clientId: org.client_id,
    clientSecret: org.client_secret,
    redirectUri: 'http://127.0.0.1:9/callback',
    useVerifier: true,
  });
  const answer = await fetch(oauth2.getAuthorizationUrl({ scope: 'api id refresh_token', state: 'x' }), { redirect: 'manual' });
  const code = new URL(answer.headers.get('location')).searchParams.get('code');
  const conn = new jsforce.Connection({ oauth2, instanceUrl: org.instance_url, version: '66.0' });
  const user = await conn.authorize(code);
  assert.match(user.id, /^005/);
  return conn;
}

async function main() {
  const conn = await login();
  let refreshed = 0;
  conn.on('refresh', () => refreshed++);
  assert.equal((await conn.identity()).username, 'ada@example.com');

  const all = await conn.query('SELECT Id, Name FROM Account', { autoFetch: true, maxFetch: 10000 });
  assert.deepEqual([all.totalSize, all.records.length], [3000, 3000], 'beyond one page');
  for (const times of [1, 2]) {
    await drive('expire-access-tokens');
    assert.equal((await conn.query('SELECT COUNT() FROM Account')).totalSize, 3000);
    assert.equal(refreshed, times);
  }

  const accounts = conn.sobject('Account');
  const made = await accounts.create({ Name: 'JS' });
  assert.equal((await accounts.retrieve(made.id)).Name, 'JS');
  assert.ok((await accounts.update({ Id: made.id, Name: 'JS 2' })).success);
  assert.ok((await accounts.upsert({ ExternalKey__c: 'JS', Name: 'Upserted' }, 'ExternalKey__c')).created);
  assert.deepEqual((await accounts.create([{ Name: 'a' }, {}, { Name: 'b' }])).map((saved) => saved.success), [true, false, true]);
  assert.ok((await accounts.delete(made.id)).success);
  await assert.rejects(accounts.retrieve(made.id), (error) => ['NOT_FOUND', 'ENTITY_IS_DELETED'].includes(error.errorCode));
  assert.equal((await accounts.find({ Name: { $like: 'A%' } }, 'Id, Name').limit(3)).length, 3);

  assert.ok((await accounts.describe()).fields.some((field) => field.name === 'Name'));
  assert.ok((await conn.describeGlobal()).sobjects.some((object) => object.name === 'Account'));
  assert.equal((await conn.limits()).DailyApiRequests.Max, 15000);
  assert.ok((await conn.search('FIND {Aurora} IN NAME FIELDS RETURNING Account(Id, Name)')).searchRecords.length > 0);
  const parents = await conn.query('SELECT Name, (SELECT LastName FROM Contacts) FROM Account LIMIT 3');
  assert.equal(parents.records.length, 3);
  assert.ok((await conn.query('SELECT Industry, COUNT(Id) n FROM Account GROUP BY Industry')).records.length > 1);
  await assert.rejects(conn.query('SELECT Nope FROM Account'), (error) => error.errorCode === 'INVALID_FIELD');

  const patience = { pollTimeout: 20000, pollInterval: 100 };
  const loaded = await conn.bulk2.loadAndWaitForResults({
    object: 'Account', operation: 'insert', input: [{ Name: 'bulk 1' }, { Name: 'bulk 2' }], ...patience,
  });
  assert.deepEqual([loaded.successfulResults.length, loaded.failedResults.length], [2, 0]);
  const rows = await (await conn.bulk2.query("SELECT Name FROM Account WHERE Name LIKE 'bulk %'", patience)).toArray();
  assert.equal(rows.length, 2);
  assert.equal((await conn.recent('Account', 2)).length, 2);

  await conn.logout();
  await assert.rejects(conn.query('SELECT Id FROM Account'));
  const counters = await (await fetch(`${org.login_url}/fake/counters`)).json();
  assert.deepEqual([counters.refresh_reuse, counters.code_reuse], [0, 0]);
}

main().then(() => console.log('jsforce: all as at Salesforce'), (error) => { console.error(error); process.exit(1); });
