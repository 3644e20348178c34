// One measured run of jsforce: reads all records twice as they come, and prints what it took.
const jsforce = require('jsforce');

async function read(conn) {
  const soql = 'SELECT Id, Name, Industry, Phone, BillingCity, AnnualRevenue, NumberOfEmployees, CreatedDate FROM Account';
  let records = 0;
  let used = 0;
  await new Promise((resolve, reject) => {
    conn
      .query(soql)
      .on('record', (account) => {
        records += 1;
        used += account.Name.length + account.AnnualRevenue;
      })
      .on('end', resolve)
      .on('error', reject)
      .run({ autoFetch: true, maxFetch: 1000000 });
  });
  if (!(used > 0)) throw new Error('nothing was read');
  return records;
}

async function main() {
  const conn = new jsforce.Connection({ instanceUrl: process.argv[2], accessToken: 'benchmark', version: '66.0' });
  await conn.request('/limits');
  const before = process.memoryUsage.rss() / 1024;
  let records = 0;
  const cpu = process.cpuUsage();
  const seconds = [];
  for (let run = 0; run < 2; run++) {
    const started = process.hrtime.bigint();
    records += await read(conn);
    seconds.push(Number(process.hrtime.bigint() - started) / 1e9);
  }
  const { user, system } = process.cpuUsage(cpu);
  const peak = process.resourceUsage().maxRSS;
  console.log(JSON.stringify({
      records,
      seconds,
      cpu_seconds: (user + system) / 1e6,
      before_kib: Math.round(before),
      peak_kib: Math.round(peak),
    }),
  );
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
