//! A row means the same whatever it is read into, and by whichever part of the API it is written and read.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use futures_util::{TryStreamExt as _, stream};
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use salesforce_fake_org::{FakeOrg, FieldSpec, ObjectSpec};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, json};

use super::{AllowedHosts, Client, Connection, LoginHost, OAuthApp, OAuthClient, Value};
use crate::{
    composite::Subrequest,
    error::{Error, InvalidRequest},
    query::soql::{SoqlDate, SoqlDateTime, SoqlDecimal, SoqlTime},
    token::{ServiceTokenSource, ServiceUser},
};

/// Number of generated rows. Each is written in 16 ways; all of them are read in 16 ways, and one part in 4 more.
const ROWS: usize = 96;
/// Number of comparisons of a row that was read with what was written.
const COMPARISONS: usize = 16 * 16 * ROWS + 4 * ROWS;
const OBJECT: &str = "Sample__c";
const FIELDS: [&str; 9] =
    ["Key__c", "Text__c", "Memo__c", "Count__c", "Number__c", "Money__c", "Active__c", "Day__c", "Moment__c"];
const SOQL: &str = "SELECT Key__c, Text__c, Memo__c, Count__c, Number__c, Money__c, Active__c, Day__c, Moment__c FROM Sample__c";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sample {
    #[serde(rename = "Key__c")]
    key: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    never: Option<Absent>,
}

/// A struct that no row is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Absent {
    #[serde(rename = "Absent__c")]
    absent: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Fields {
    #[serde(rename = "Text__c")]
    text: Option<String>,
    #[serde(rename = "Memo__c")]
    memo: Option<String>,
    #[serde(rename = "Count__c")]
    count: Option<i64>,
    #[serde(rename = "Number__c")]
    number: Option<f64>,
    #[serde(rename = "Money__c")]
    money: Option<SoqlDecimal>,
    #[serde(rename = "Active__c")]
    active: bool,
    #[serde(rename = "Day__c")]
    day: Option<SoqlDate>,
    #[serde(rename = "Moment__c")]
    moment: Option<SoqlDateTime>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Flat {
    #[serde(flatten)]
    sample: Sample,
    #[serde(flatten)]
    fields: Fields,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Plain {
    #[serde(rename = "Key__c")]
    key: String,
    #[serde(rename = "Text__c")]
    text: Option<String>,
    #[serde(rename = "Memo__c")]
    memo: Option<String>,
    #[serde(rename = "Count__c")]
    count: Option<i64>,
    #[serde(rename = "Number__c")]
    number: Option<f64>,
    #[serde(rename = "Money__c")]
    money: Option<SoqlDecimal>,
    #[serde(rename = "Active__c")]
    active: bool,
    #[serde(rename = "Day__c")]
    day: Option<SoqlDate>,
    #[serde(rename = "Moment__c")]
    moment: Option<SoqlDateTime>,
}

impl Plain {
    fn new(key: &str, fields: Fields) -> Self {
        let Fields { text, memo, count, number, money, active, day, moment } = fields;
        Self { key: key.to_owned(), text, memo, count, number, money, active, day, moment }
    }

    /// Returns the row as Salesforce stores it: texts without blanks at their ends, and no empty text.
    fn stored(mut self) -> Self {
        for text in [&mut self.text, &mut self.memo] {
            *text = text.take().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        }
        self
    }
}

impl From<Flat> for Plain {
    fn from(flat: Flat) -> Self {
        Self::new(&flat.sample.key, flat.fields)
    }
}

/// Texts that look like values of another type, that act in CSV or JSON, and letters of all kinds.
pub(super) const TEXTS: [&str; 68] = [
    "0049301",
    "nan",
    "NaN",
    "Infinity",
    "-0",
    "5.0",
    "1.0E7",
    "12E5",
    "+49 30",
    "1e999",
    "true",
    "FALSE",
    "null",
    "None",
    "2026-01-31",
    "2026-01-31T00:00:00.000+0000",
    "2026-01-31T00:00:00Z",
    "09:30:00.000Z",
    "=1+1",
    "@SUM(A1)",
    "-1+cmd",
    "\"quoted\"",
    "it's",
    "5\" pipe",
    "a,b;c\td",
    "two\nlines",
    "two\r\nlines",
    "a\rb",
    "\\n",
    "#N/A ",
    "#n/a",
    "# N/A",
    "\u{feff}bom",
    "\u{1F600}\u{e9}\u{202e}",
    "<b>&amp;</b>",
    "{\"a\":1}",
    "[1]",
    "",
    " ",
    ",",
    "\"\"",
    "'",
    "%_",
    "001D000000IqhSLIAZ",
    "@{ref.id",
    "1e3",
    "1E+3",
    "0.10",
    "007.50",
    "1.",
    ".5",
    "1e99999999999999999999",
    "12345678901234567890.12",
    "0x1F",
    "+",
    "@",
    "=",
    "-",
    "\u{2028}a\u{2028}b",
    "c\u{2029}d\u{85}e",
    "e\u{301}o",
    "\u{1d535}\u{fe0f}\u{200d}",
    "a\u{a0}b",
    "\r\n\r\n,\"\r",
    "#N/A#N/A",
    "1/2/2026",
    "12:00",
    "\u{feff}",
];

fn fields() -> impl Strategy<Value = Fields> {
    let like = prop::sample::select(&TEXTS[..]);
    // A text of a reference to another subrequest is refused by composites.
    let like = like.prop_map(|text| text.replace("@{", "@ {"));
    let free = "[ -~\u{e9}\u{4e2d}\n\r\t\"',;]{0,30}".prop_map(|text| text.replace("@{", "@ {"));
    let text = || prop_oneof![3 => like.clone(), 2 => free.clone()];
    let number = prop_oneof![
        Just(0.0),
        Just(5.0),
        Just(-0.5),
        Just(1.0e7),
        Just(0.1),
        Just(1.0e21),
        Just(1.0e-7),
        Just(123_456_789.123),
        Just(-0.0),
        Just(0.30000000000000004),
        Just(9_007_199_254_740_992.0),
        Just(1.7976931348623157e308),
        Just(5.0e-324),
        -1.0e12..1.0e12_f64
    ];
    let spelled =
        prop::sample::select(&["0", "-0", "1.0E7", "1e3", "1E+3", "0.10", "100.00", "25E-2", "0e9"][..]);
    let money = prop_oneof!["-?[1-9][0-9]{0,9}(\\.[0-9]{1,4})?", spelled.prop_map(str::to_owned)];
    (
        proptest::option::of(text()),
        proptest::option::of(text()),
        proptest::option::of(prop_oneof![Just(0_i64), any::<i32>().prop_map(i64::from)]),
        proptest::option::of(number),
        proptest::option::of(money.prop_map(|money| money.parse().unwrap())),
        any::<bool>(),
        proptest::option::of((1700..=4000_u16, 1..=12_u8, 1..=28_u8)),
        proptest::option::of((-62_135_596_800_i64..0, 0..1_000_u32)),
    )
        .prop_map(|(text, memo, count, number, money, active, day, moment)| Fields {
            // Bulk loading refuses this text, since Salesforce would empty the field.
            text: text.filter(|text| text != "#N/A"),
            memo: memo.filter(|text| text != "#N/A"),
            count,
            number,
            money,
            active,
            day: day.map(|(year, month, day)| SoqlDate::new(year, month, day).unwrap()),
            moment: moment.map(|(seconds, millis)| {
                let distance = std::time::Duration::from_secs(seconds.unsigned_abs() % 8_000_000_000);
                let moment = std::time::SystemTime::UNIX_EPOCH - distance;
                SoqlDateTime::try_from(moment + std::time::Duration::from_millis(millis.into())).unwrap()
            }),
        })
}

/// Starts a fake org with the object, and connects to it.
pub(super) async fn connected() -> (FakeOrg, Connection) {
    let object = [
        FieldSpec::key("Key__c"),
        FieldSpec::new("Text__c", "string"),
        FieldSpec::new("Memo__c", "textarea"),
        FieldSpec::new("Count__c", "int"),
        FieldSpec::new("Number__c", "double"),
        FieldSpec::new("Money__c", "currency"),
        FieldSpec::new("Active__c", "boolean"),
        FieldSpec::new("Day__c", "date"),
        FieldSpec::new("Moment__c", "datetime"),
        FieldSpec::new("Time__c", "time"),
    ]
    .into_iter()
    .fold(ObjectSpec::new(OBJECT), ObjectSpec::field);
    let org = FakeOrg::builder().execution_user("ada@example.com").object(object).start().await.unwrap();
    let host: LoginHost = org.instance_url().parse().unwrap();
    let client = Client::builder().allowed_hosts(AllowedHosts::new([host.as_url().clone()])).build().unwrap();
    let app = OAuthApp::new(org.client_id(), Some(org.client_secret().into()));
    let oauth = OAuthClient::with_client(app, &client);
    let user = ServiceUser::client_credentials(host);
    let source = ServiceTokenSource::builder(oauth, user).build().connect().await.unwrap();
    let sf = Connection::new(&client, source);
    (org, sf)
}

/// Writes rows in each way. The rows of each way get keys of their own from `with_key`.
async fn write<T: Serialize + Send + Sync>(
    sf: &Connection,
    next: &AtomicUsize,
    rows: &[Fields],
    with_key: impl Fn(&str, &Fields) -> T,
    written: &mut BTreeMap<String, Plain>,
) {
    let mut keyed = || {
        let rows = rows.iter().map(|fields| {
            let key = format!("K-{:06}", next.fetch_add(1, Ordering::Relaxed));
            written.insert(key.clone(), Plain::new(&key, fields.clone()).stored());
            with_key(&key, fields)
        });
        rows.collect::<Vec<T>>()
    };
    for row in keyed() {
        sf.sobject(OBJECT).create(&row).await.unwrap();
    }
    for saved in sf.sobject(OBJECT).create_many(keyed()).await.unwrap() {
        saved.unwrap();
    }
    for rows in keyed().chunks(25) {
        let mut composite = sf.composite();
        for row in rows {
            composite.create(OBJECT, row).unwrap();
        }
        composite.send().await.unwrap().check().unwrap();
    }
    let rows = stream::iter(keyed());
    for mut job in sf.bulk(OBJECT).insert(rows).await.unwrap() {
        job.wait(std::time::Duration::from_secs(60)).await.unwrap();
        let failed: Vec<_> = job.failed::<Value>().try_collect().await.unwrap();
        assert!(failed.is_empty(), "{failed:?}");
    }
}

/// Reads all rows in each way.
async fn read<T: DeserializeOwned + Send + 'static>(sf: &Connection) -> Vec<(&'static str, Vec<T>)> {
    let ids: Vec<Map<String, Value>> = sf.query("SELECT Id FROM Sample__c").fetch_all().await.unwrap();
    let ids: Vec<_> = ids.iter().map(|row| row["Id"].as_str().unwrap().to_owned()).collect();
    let many = sf.sobject(OBJECT).retrieve_many::<T, _>(&ids, &FIELDS).await.unwrap();
    let mut composite = sf.composite();
    let query = composite.add(Subrequest::query(sf.query::<T>(SOQL)).unwrap()).unwrap();
    let composite = composite.send().await.unwrap();
    let mut page = composite.get(&query).unwrap();
    let mut by_composite = std::mem::take(&mut page.records);
    while let Some(next) = page.next {
        page = sf.page(&next).await.unwrap();
        by_composite.append(&mut page.records);
    }
    let mut one_by_one = Vec::new();
    for id in ids.iter().take(ROWS) {
        one_by_one.push(sf.sobject(OBJECT).retrieve_fields::<T>(id, &FIELDS).await.unwrap());
    }
    vec![
        ("query", sf.query::<T>(SOQL).fetch_all().await.unwrap()),
        ("job", sf.query::<T>(SOQL).fetch_bulk().try_collect().await.unwrap()),
        ("collection", many.into_iter().map(Option::unwrap).collect()),
        ("composite", by_composite),
        ("record", one_by_one),
    ]
}

/// Compares rows of a map with what was written: in JSON values, in CSV the texts that came, null for an empty one.
fn assert_map(way: &str, row: &Map<String, Value>, written: &Plain) {
    let mut expected = serde_json::to_value(written).unwrap();
    for (name, expected) in expected.as_object_mut().unwrap() {
        let found = &row[name];
        let is_same = match (name.as_str(), &*expected) {
            (_, Value::Null) => found.is_null(),
            ("Moment__c", expected) => {
                let read = |value: &Value| value.as_str().unwrap().parse::<SoqlDateTime>().unwrap();
                read(found) == read(expected)
            }
            ("Count__c" | "Number__c" | "Money__c", expected) => {
                assert_eq!(found.is_string(), way == "job", "{way} {name} {found}");
                let read = |value: &Value| {
                    value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned)
                        .parse::<SoqlDecimal>()
                        .unwrap()
                };
                read(found) == read(expected)
            }
            ("Active__c", expected) if way == "job" => found.as_str() == Some(&*expected.to_string()),
            (_, expected) => found == expected,
        };
        assert!(is_same, "{way} {name}: {found} is not {expected}");
    }
}

#[tokio::test]
async fn a_row_means_the_same_in_each_way_to_write_and_to_read() {
    let (_org, sf) = connected().await;
    let mut runner = TestRunner::deterministic();
    let strategy = fields();
    let mut rows: Vec<_> = (0..ROWS).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect();
    // Each of the texts stands in each of the fields at least once.
    let next_text = |index: usize| Some(TEXTS[index % TEXTS.len()].replace("@{", "@ {"));
    for (index, row) in rows.iter_mut().take(TEXTS.len()).enumerate() {
        (row.text, row.memo) = (next_text(index), next_text(index + 1));
    }
    let (next, mut written) = (AtomicUsize::new(0), BTreeMap::new());
    let sample = |key: &str| Sample { key: key.to_owned(), never: None };
    let plain = |key: &str, fields: &Fields| Plain::new(key, fields.clone());
    write(&sf, &next, &rows, plain, &mut written).await;
    let flat = |key: &str, fields: &Fields| Flat { sample: sample(key), fields: fields.clone() };
    write(&sf, &next, &rows, flat, &mut written).await;
    let value = |key: &str, fields: &Fields| serde_json::to_value(plain(key, fields)).unwrap();
    write(&sf, &next, &rows, value, &mut written).await;
    let map = |key: &str, fields: &Fields| -> BTreeMap<String, Value> {
        serde_json::from_value(value(key, fields)).unwrap()
    };
    write(&sf, &next, &rows, map, &mut written).await;

    let mut compared = 0;
    let mut is_complete = |way: &str, rows: usize| {
        compared += rows;
        assert_eq!(rows, if way == "record" { ROWS } else { written.len() }, "{way}");
    };
    for (way, rows) in read::<Plain>(&sf).await {
        is_complete(way, rows.len());
        for row in rows {
            assert_eq!(row, written[&row.key], "{way}");
        }
    }
    for (way, rows) in read::<Flat>(&sf).await {
        is_complete(way, rows.len());
        for row in rows {
            assert!(row.sample.never.is_none(), "{way}");
            let row = Plain::from(row);
            assert_eq!(row, written[&row.key], "{way}");
        }
    }
    for (way, rows) in read::<Map<String, Value>>(&sf).await {
        is_complete(way, rows.len());
        for row in rows {
            assert_map(way, &row, &written[row["Key__c"].as_str().unwrap()]);
        }
    }
    for (way, rows) in read::<Value>(&sf).await {
        is_complete(way, rows.len());
        for row in rows {
            assert_map(way, row.as_object().unwrap(), &written[row["Key__c"].as_str().unwrap()]);
        }
    }
    assert_eq!(compared, COMPARISONS);
}

/// What JSON and CSV cannot both say is an error, and nothing is sent.
#[tokio::test]
async fn what_cannot_be_written_is_an_error_in_each_way_to_write() {
    let (org, sf) = connected().await;
    let sent = || org.requests().iter().filter(|request| request.method != "GET").count();
    let before = sent();
    let refused = |error: Error| {
        let is_named = matches!(&error, Error::InvalidRequest(InvalidRequest::Column { column, .. }) if column == "Number__c");
        assert!(is_named, "{error:?}");
    };
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let row = BTreeMap::from([("Number__c", number)]);
        refused(sf.sobject(OBJECT).create(&row).await.unwrap_err());
        refused(sf.sobject(OBJECT).create_many([&row]).await.unwrap_err());
        refused(sf.sobject(OBJECT).update("a0x000000000001AAA", &row).await.unwrap_err());
        refused(sf.composite().create(OBJECT, &row).unwrap_err());
        refused(sf.batch().create(OBJECT, &row).unwrap_err());
        refused(sf.bulk(OBJECT).insert(stream::iter([&row])).await.unwrap_err().into());
    }
    assert_eq!(sent(), before);
    let time: SoqlTime = "09:30:00.000Z".parse().unwrap();
    for row in [json!({"Key__c": "T-1", "Time__c": time})] {
        sf.sobject(OBJECT).create(&row).await.unwrap();
    }
    let rows = sf.query::<Value>("SELECT Time__c FROM Sample__c").fetch_bulk();
    assert_eq!(rows.try_collect::<Vec<_>>().await.unwrap()[0]["Time__c"], "09:30:00.000Z");
}
