// salesforce-pubsub-api-client, unpatched, against the fake org with TLS. The argument is the line that `fake-org` prints.
const assert = require('node:assert/strict');
const jsforce = require('jsforce');
const { org, drive, report } = require('./fake_org.js');

const CHANGES = '/data/AccountChangeEvent';
const ORDERS = '/event/Order_Event__e';
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

// Logs in with client credentials by the client's own code, and connects. A client keeps one stream for each topic, so
// each subscription here has a client.
async function connect(more = {}) {
  const { default: PubSubApiClient } = await import('salesforce-pubsub-api-client');
  const client = new PubSubApiClient({
    authType: 'oauth-client-credentials',
    loginUrl: org.instance_url,
    clientId: org.client_id,
    clientSecret: org.client_secret,
    pubSubEndpoint: new URL(org.pubsub_url).host,
    // It has a list of authorities of its own, which no setting extends.
    rejectUnauthorizedSsl: false,
    ...more,
  }, quiet);
  await client.connect();
  return client;
}

async function token() {
  const response = await fetch(`${org.instance_url}/services/oauth2/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials', client_id: org.client_id, client_secret: org.client_secret,
    }),
  });
  return (await response.json()).access_token;
}

// Returns the next `count` events of a subscription; the error of the stream otherwise. `then` runs once it is open.
async function events(client, count, subscribe, then = async () => {}) {
  try {
    return await new Promise((resolve, reject) => {
      const found = [];
      subscribe((_subscription, type, data) => {
        if (type === 'event') found.push(data);
        if (type === 'error') reject(data);
        if (type === 'lastEvent') resolve(found);
      }, count);
      then().catch(reject);
    });
  } finally {
    client.close();
  }
}

const fromStart = (client, topic, count) =>
  events(client, count, (callback, wanted) => client.subscribeFromEarliestEvent(topic, callback, wanted));
const from = (client, topic, count, position) =>
  events(client, count, (callback, wanted) => client.subscribeFromReplayId(topic, callback, wanted, position));

async function changes() {
  const sf = new jsforce.Connection({ instanceUrl: org.instance_url, accessToken: await token() });
  const { id } = await sf.sobject('Account').create({ Name: 'Acme', Industry: 'Energy' });
  await sf.sobject('Account').update({ Id: id, Name: 'Acme Ltd', Industry: null });
  await sf.sobject('Account').destroy(id);

  const [created, updated, deleted] = await fromStart(await connect(), CHANGES, 3);
  const header = (event) => event.payload.ChangeEventHeader;
  assert.deepEqual([created, updated, deleted].map((event) => header(event).changeType), ['CREATE', 'UPDATE', 'DELETE']);
  for (const event of [created, updated, deleted]) assert.deepEqual(header(event).recordIds, [id]);
  assert.equal(created.payload.Name, 'Acme');
  assert.equal(updated.payload.Name, 'Acme Ltd');
  assert.ok(header(updated).changedFields.includes('Name'), header(updated).changedFields);
  assert.deepEqual(header(updated).nulledFields, ['Industry']);

  // From a position on: what came after it.
  const rest = await from(await connect(), CHANGES, 2, created.replayId);
  assert.deepEqual(rest.map((event) => event.replayId), [updated.replayId, deleted.replayId]);

  // From now on, with a row that is written while the stream is open; a sign of life comes first.
  const client = await connect();
  let alive = 0;
  const [late] = await new Promise((resolve, reject) => {
    const found = [];
    client.subscribe(CHANGES, (_subscription, type, data) => {
      if (type === 'grpcKeepAlive') {
        alive += 1;
        sf.sobject('Account').create({ Name: 'Late' }).catch(reject);
      }
      if (type === 'event') found.push(data);
      if (type === 'error') reject(data);
      if (type === 'lastEvent') resolve(found);
    }, 1);
    // Until the subscription has begun, this advances the clock for nothing.
    const timer = setInterval(() => (alive ? clearInterval(timer) : drive('advance', { seconds: 271 }).catch(reject)), 200);
  });
  client.close();
  assert.equal(late.payload.Name, 'Late');
}

async function publishing() {
  const order = (number) => ({ CreatedDate: Date.now(), CreatedById: '005000000000001AAA', Number__c: { double: number } });
  const client = await connect();
  const key = 'f3bd3c05-9a7b-4a5e-8f47-0d6c1f9a2b11';
  const result = await client.publish(ORDERS, order(1), key);
  assert.equal(result.correlationKey, key);

  const batch = await new Promise((resolve, reject) => {
    client.publishBatch(ORDERS, [2, 3, 4].map((number) => ({ payload: order(number) })), (_info, type, data) => {
      if (type === 'publishResponse') resolve(data.results);
      if (type === 'error') reject(data);
    }).catch(reject);
  });
  client.close();
  assert.equal(batch.length, 3);

  const found = await fromStart(await connect(), ORDERS, 4);
  assert.deepEqual(found.map((event) => event.payload.Number__c), [1, 2, 3, 4]);
  assert.equal(found[0].id, key);
  assert.deepEqual(found.map((event) => event.replayId), [result.replayId, ...batch.map((published) => published.replayId)]);
}

async function failures() {
  const code = (error) => error.metadata.get('error-code')[0];
  const refused = async (promise, status, name) =>
    assert.rejects(promise, (error) => {
      const cause = error.cause ?? error;
      assert.equal(cause.code, status, String(cause));
      assert.equal(code(cause), `sfdc.platform.eventbus.grpc.${name}`);
      return true;
    });
  const NOT_FOUND = 5;
  const INVALID_ARGUMENT = 3;
  const UNAUTHENTICATED = 16;
  await refused(fromStart(await connect(), '/data/NothingChangeEvent', 1), NOT_FOUND, 'topic.not.found');
  await refused(from(await connect(), CHANGES, 1, 987654321), INVALID_ARGUMENT, 'subscription.fetch.replayid.corrupted');
  const client = await connect();
  await refused(client.publish('/event/Nothing__e', {}), NOT_FOUND, 'topic.not.found');
  await drive('revoke-all');
  await refused(client.publish(ORDERS, {}), UNAUTHENTICATED, 'service.auth.error');
  client.close();
  const user = { authType: 'user-supplied', instanceUrl: org.instance_url, organizationId: org.organization_id };
  await refused(
    fromStart(await connect({ ...user, accessToken: 'made-up' }), CHANGES, 1), UNAUTHENTICATED, 'service.auth.error');
  await refused(
    fromStart(await connect({ ...user, accessToken: await token(), organizationId: '00D000000000009EAA' }), CHANGES, 1),
    UNAUTHENTICATED, 'service.auth.headers.invalid');
}

report('salesforce-pubsub-api-client', async () => {
  await changes();
  await publishing();
  await failures();
  // Its `close` leaves open streams open, for whose end the process would wait.
}).then(() => process.exit());
