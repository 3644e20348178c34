// @salesforce/core, the library under Salesforce's own CLI, unpatched, against the fake org with refresh token rotation.
// The first argument is the line that `fake-org` prints, the second a private key whose certificate the app has. It
// keeps its files below $HOME, and its local server on the port that sfdx-project.json names.
const assert = require('node:assert/strict');
const { AuthInfo, AuthRemover, Connection, Org, WebOAuthServer } = require('@salesforce/core');
const { org, drive, counters, visit, report } = require('./fake_org.js');

const keyFile = process.argv[3];

// Its web server login: its own server receives the code.
async function login() {
  const oauthConfig = { loginUrl: org.login_url, clientId: org.client_id, clientSecret: org.client_secret };
  const server = await WebOAuthServer.create({ oauthConfig });
  await server.start();
  const [authInfo, page] = await Promise.all([server.authorizeAndSave(), visit(server.getAuthorizationUrl())]);
  assert.match(await page.text(), /Authentication Successful/);
  assert.equal(authInfo.getFields().username, org.username);
  assert.equal(authInfo.getFields().orgId, org.organization_id);
  return authInfo;
}

async function rotating(conn, authInfo) {
  const seen = new Set([authInfo.getFields(true).refreshToken]);
  for (const times of [1, 2, 3]) {
    await drive('expire-access-tokens');
    await Promise.all([1, 2, 3].map(() => conn.query('SELECT COUNT() FROM Account')));
    seen.add(authInfo.getFields(true).refreshToken);
    assert.equal(seen.size, times + 1, 'it takes over the new refresh token');
  }
}

async function main() {
  const authInfo = await login();
  const conn = await Connection.create({ authInfo });
  assert.equal(conn.getApiVersion(), '68.0', 'the newest that the org has');
  await rotating(conn, authInfo);
  const info = await conn.identity();
  assert.equal(info.username, org.username);

  const all = await conn.autoFetchQuery('SELECT Id, Name FROM Account', { autoFetch: true, maxFetch: 10000 });
  assert.deepEqual([all.totalSize, all.records.length], [3000, 3000], 'beyond one page');
  const one = await conn.singleRecordQuery("SELECT Id FROM Account WHERE ExternalKey__c = 'ACC-000001'");
  assert.match(one.Id, /^001/);

  const accounts = conn.sobject('Account');
  const made = await accounts.create({ Name: 'Core' });
  assert.ok((await accounts.update({ Id: made.id, Name: 'Core 2' })).success);
  assert.equal((await accounts.retrieve(made.id)).Name, 'Core 2');
  assert.ok((await accounts.upsert({ ExternalKey__c: 'CORE', Name: 'Upserted' }, 'ExternalKey__c')).created);
  assert.equal((await accounts.upsert({ ExternalKey__c: 'CORE', Name: 'Again' }, 'ExternalKey__c')).created, false);
  const many = await accounts.create([{ Name: 'a' }, {}, { Name: 'b' }]);
  assert.deepEqual(many.map((saved) => saved.success), [true, false, true]);
  const renamed = await accounts.update([many[0], many[2]].map(({ id }) => ({ Id: id, Name: 'c' })));
  assert.ok(renamed.every((saved) => saved.success));
  const keyed = [1, 2].map((n) => ({ ExternalKey__c: `CORE-${n}`, Name: 'many' }));
  assert.ok((await accounts.upsert(keyed, 'ExternalKey__c')).every((saved) => saved.created));
  assert.ok((await accounts.delete([made.id, many[0].id, many[2].id])).every((deleted) => deleted.success));
  await assert.rejects(accounts.retrieve(made.id), (error) => ['NOT_FOUND', 'ENTITY_IS_DELETED'].includes(error.errorCode));
  assert.ok((await conn.describe('Account')).fields.some((field) => field.name === 'Name'));
  assert.ok((await conn.describeGlobal()).sobjects.some((object) => object.name === 'Account'));
  assert.equal((await conn.limits()).DailyApiRequests.Max, 15000);
  assert.ok((await conn.search('FIND {Aurora} RETURNING Account(Id)')).searchRecords.length > 0);
  const together = await conn.requestPost(`${conn.baseUrl()}/composite`, {
    compositeRequest: [
      { method: 'POST', url: '/services/data/v68.0/sobjects/Account', referenceId: 'new', body: { Name: 'together' } },
      { method: 'GET', url: '/services/data/v68.0/sobjects/Account/@{new.id}', referenceId: 'read' },
    ],
  });
  assert.deepEqual(together.compositeResponse.map((part) => part.httpStatusCode), [201, 200]);
  const patience = { pollTimeout: 20000, pollInterval: 100 };
  const loaded = await conn.bulk2.loadAndWaitForResults({
    object: 'Account', operation: 'insert', input: [{ Name: 'bulk 1' }, { Name: 'bulk 2' }], ...patience,
  });
  assert.deepEqual([loaded.successfulResults.length, loaded.failedResults.length], [2, 0]);
  const rows = await (await conn.bulk2.query("SELECT Name FROM Account WHERE Name LIKE 'bulk %'", patience)).toArray();
  assert.equal(rows.length, 2);

  // Its own way from a token to a browser session: a link of `singleaccess` that is good once.
  const link = await (await Org.create({ connection: conn })).getFrontDoorUrl();
  assert.equal(new URL(link).origin, org.instance_url);
  const first = await fetch(link, { redirect: 'manual' });
  assert.match(first.headers.get('set-cookie') ?? '', /fake_org_sid/);
  assert.equal((await fetch(link, { redirect: 'manual' })).headers.get('set-cookie'), null);

  // Signs a JWT with the key in the file: no browser, no refresh token, and a new assertion when the token ends. The
  // approval is that of the login above.
  await (await AuthRemover.create()).removeAuth(org.username);
  const oauth2Options = { loginUrl: org.login_url, clientId: org.client_id, privateKey: keyFile };
  const machine = await AuthInfo.create({ username: org.username, oauth2Options });
  const unattended = await Connection.create({ authInfo: machine });
  await drive('expire-access-tokens');
  assert.ok((await unattended.query('SELECT COUNT() FROM Account')).totalSize > 3000);

  await conn.logout(true);
  await assert.rejects(conn.query('SELECT Id FROM Account'));
  const { refresh_reuse, code_reuse } = await counters();
  assert.deepEqual([refresh_reuse, code_reuse], [0, 0]);
}

report('@salesforce/core', main);
