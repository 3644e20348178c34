// jsforce, unpatched, against the fake org with refresh token rotation; `without-rotation` as the second argument is for
// an org that does not rotate. The first argument is the line that `fake-org` prints.
const assert = require('node:assert/strict');
const jsforce = require('jsforce');
const { org, drive, counters, codeFor, report } = require('./fake_org.js');

async function login() {
  const oauth2 = new jsforce.OAuth2({
    loginUrl: org.login_url,
    clientId: org.client_id,
    clientSecret: org.client_secret,
    redirectUri: 'http://127.0.0.1:9/callback',
    useVerifier: true,
  });
  const code = await codeFor(oauth2.getAuthorizationUrl({ scope: 'api id refresh_token', state: 'x' }));
  const conn = new jsforce.Connection({ oauth2, instanceUrl: org.instance_url });
  assert.match((await conn.authorize(code)).id, /^005/);
  return conn;
}

// jsforce keeps the refresh token of the login: the second refresh sends a token that the first one replaced, and
// Salesforce takes that for theft.
async function aloneItDoesNotRotate() {
  const conn = await login();
  await drive('expire-access-tokens');
  await conn.query('SELECT COUNT() FROM Account');
  await drive('expire-access-tokens');
  await assert.rejects(conn.query('SELECT COUNT() FROM Account'), /expired access\/refresh token/);
  assert.equal((await counters()).refresh_reuse, 1);
}

// The `refresh` event has the whole response, so that an app can do it.
async function rotating() {
  const conn = await login();
  const seen = new Set([conn.refreshToken]);
  conn.on('refresh', (_token, response) => { conn.refreshToken = response.refresh_token; seen.add(response.refresh_token); });
  for (const times of [1, 2, 3]) {
    await drive('expire-access-tokens');
    // A burst of calls refreshes once.
    await Promise.all([1, 2, 3].map(() => conn.query('SELECT COUNT() FROM Account')));
    assert.equal(seen.size, times + 1);
  }
  return conn;
}

async function main() {
  await aloneItDoesNotRotate();
  const conn = await rotating();
  assert.equal((await conn.identity()).username, 'ada@example.com');

  const all = await conn.query('SELECT Id, Name FROM Account', { autoFetch: true, maxFetch: 10000 });
  assert.deepEqual([all.totalSize, all.records.length], [3000, 3000], 'beyond one page');

  const accounts = conn.sobject('Account');
  const made = await accounts.create({ Name: 'JS' });
  assert.equal((await accounts.retrieve(made.id)).Name, 'JS');
  assert.ok((await accounts.update({ Id: made.id, Name: 'JS 2' })).success);
  assert.equal((await accounts.retrieve(made.id)).Name, 'JS 2');
  const upserted = await accounts.upsert({ ExternalKey__c: 'JS', Name: 'Upserted' }, 'ExternalKey__c');
  assert.ok(upserted.created);
  assert.equal((await accounts.upsert({ ExternalKey__c: 'JS', Name: 'Again' }, 'ExternalKey__c')).created, false);
  assert.ok((await accounts.delete(made.id)).success);
  await assert.rejects(accounts.retrieve(made.id), (error) => ['NOT_FOUND', 'ENTITY_IS_DELETED'].includes(error.errorCode));
  assert.equal((await accounts.find({ Name: { $like: 'A%' } }, 'Id, Name').limit(3)).length, 3);

  const many = await accounts.create([{ Name: 'a' }, {}, { Name: 'b' }]);
  assert.deepEqual(many.map((saved) => saved.success), [true, false, true]);
  assert.equal(many[1].errors[0].statusCode, 'REQUIRED_FIELD_MISSING');
  const ids = [many[0].id, many[2].id];
  assert.deepEqual((await accounts.retrieve(ids)).map((account) => account.Name), ['a', 'b']);
  assert.ok((await accounts.update(ids.map((Id) => ({ Id, Name: 'c' })))).every((saved) => saved.success));
  const keyed = [1, 2].map((n) => ({ ExternalKey__c: `JS-${n}`, Name: 'many' }));
  assert.ok((await accounts.upsert(keyed, 'ExternalKey__c')).every((saved) => saved.created));
  assert.ok((await accounts.delete(ids)).every((deleted) => deleted.success));

  assert.ok((await accounts.describe()).fields.some((field) => field.name === 'Name'));
  assert.ok((await conn.describeGlobal()).sobjects.some((object) => object.name === 'Account'));
  const limit = (await conn.limits()).DailyApiRequests;
  assert.equal(limit.Max, 15000);
  // From `Sforce-Limit-Info`.
  assert.equal(conn.limitInfo.apiUsage.limit, 15000);
  assert.ok((await conn.search('FIND {Aurora} IN NAME FIELDS RETURNING Account(Id, Name)')).searchRecords.length > 0);
  const parents = await conn.query('SELECT Name, (SELECT LastName FROM Contacts) FROM Account LIMIT 3');
  assert.equal(parents.records.length, 3);
  assert.ok((await conn.query('SELECT Industry, COUNT(Id) n FROM Account GROUP BY Industry')).records.length > 1);
  await assert.rejects(conn.query('SELECT Nope FROM Account'), (error) => error.errorCode === 'INVALID_FIELD');
  // jsforce has no class for it, but its request takes every resource.
  const base = `/services/data/v${conn.version}`;
  const together = await conn.requestPost(`${base}/composite`, {
    compositeRequest: [
      { method: 'POST', url: `${base}/sobjects/Account`, referenceId: 'new', body: { Name: 'together' } },
      { method: 'GET', url: `${base}/sobjects/Account/@{new.id}`, referenceId: 'read' },
    ],
  });
  assert.deepEqual(together.compositeResponse.map((part) => part.httpStatusCode), [201, 200]);

  // The quick action and the approval process are those of `declared.json`.
  const classes = await conn.tooling.query('SELECT Name FROM ApexClass');
  assert.equal(classes.records[0].Name, 'Ship');
  assert.equal((await conn.tooling.sobject('ApexClass').describe()).name, 'ApexClass');
  const [account] = await accounts.find({}, 'Id').limit(1);
  const action = accounts.quickAction('NewContact');
  assert.equal((await action.defaultValues(account.Id)).AccountId, account.Id);
  const contact = await action.execute(account.Id, { LastName: 'By jsforce' });
  assert.ok(contact.success && (await conn.sobject('Contact').retrieve(contact.id ?? contact.ids[0])).AccountId === account.Id);
  const { approval } = conn.process;
  assert.equal((await approval.list()).Account[0].name, 'Big_accounts');
  const submitted = await approval.submit(account.Id, 'please');
  assert.equal(submitted.instanceStatus, 'Pending');
  assert.equal((await approval.approve(submitted.newWorkitemIds[0], 'yes')).instanceStatus, 'Approved');

  const patience = { pollTimeout: 20000, pollInterval: 100 };
  const loaded = await conn.bulk2.loadAndWaitForResults({
    object: 'Account',
    operation: 'insert',
    input: [['bulk 1', 'A'], ['bulk 2', 'B'], ['', 'C']].map(([Name, Phone]) => ({ Name, Phone })),
    ...patience,
  });
  assert.deepEqual([loaded.successfulResults.length, loaded.failedResults.length], [2, 1]);
  assert.match(loaded.failedResults[0].sf__Error, /REQUIRED_FIELD_MISSING/);
  const rows = await (await conn.bulk2.query("SELECT Name FROM Account WHERE Name LIKE 'bulk %'", patience)).toArray();
  assert.equal(rows.length, 2);
  assert.equal((await conn.recent('Account', 2)).length, 2);
  const day = 86400000;
  const changed = await accounts.updated(new Date(Date.now() - day), new Date(Date.now() + day));
  assert.ok(changed.ids.includes(upserted.id ?? loaded.successfulResults[0].sf__Id));
  const gone = await accounts.deleted(new Date(Date.now() - day), new Date(Date.now() + day));
  assert.ok(gone.deletedRecords.some((record) => record.id === made.id));

  // The refresh token, and with it every access token of this login.
  const { accessToken, refreshToken, oauth2 } = conn;
  await conn.logout(true);
  const after = new jsforce.Connection({ accessToken, instanceUrl: org.instance_url });
  await assert.rejects(after.query('SELECT Id FROM Account'), (error) => error.errorCode === 'INVALID_SESSION_ID');
  await assert.rejects(oauth2.refreshToken(refreshToken), /expired access\/refresh token/);
  const { refresh_reuse, code_reuse } = await counters();
  assert.deepEqual([refresh_reuse, code_reuse], [1, 0], 'the one of the beginning');
}

// Without rotation it needs no help.
async function withoutRotation() {
  const conn = await login();
  for (const _ of [1, 2, 3]) {
    await drive('expire-access-tokens');
    assert.equal((await conn.query('SELECT COUNT() FROM Account')).totalSize, 3000);
  }
}

report('jsforce', process.argv[3] === 'without-rotation' ? withoutRotation : main);
