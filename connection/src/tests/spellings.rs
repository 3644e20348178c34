//! A value reads the same by each part of the API, however Salesforce spells it.

use std::fmt;

use futures_util::TryStreamExt as _;
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Map;

use super::*;
use crate::{
    composite::Subrequest,
    query::soql::{SoqlDate, SoqlDateTime, SoqlDecimal, SoqlTime},
    tests::{
        one_meaning::TEXTS,
        values::{JOB, http},
    },
};

/// Number of numbers, and of texts. Each is read in 6 ways into a type, in a struct and in a flattened one, and into a map
/// and a `Value`: numbers into 4 types, 4,800 comparisons; texts into one, dates and times into 4, 1,920 and more.
const CASES: usize = 80;
/// Above what Salesforce calculates with. A read may fail, and never has another value.
const TOO_LARGE: [&str; 3] = ["1e309", "1e401", "1e99999999999999999999"];
const RECORD: &str = "001D000000IqhSLIAZ";
const SOQL: &str = "SELECT Cell__c FROM Account";
const NUMBERS: [&str; 21] = [
    "0",
    "-0",
    "-0.0",
    "0e5",
    "0.10",
    "1e3",
    "1E+3",
    "1.0E7",
    "1500e-2",
    "5.00",
    "5.5",
    "1E-1",
    "9007199254740993",
    "9007199254740993.0",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "123456789012345678901234567890.123456789012345678901234567890",
    "0.1000000000000000055511151231257827",
    "1e308",
    "1E-99999999999999999999",
];

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Plain<T> {
    #[serde(rename = "Cell__c")]
    cell: T,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Flat<T> {
    #[serde(flatten)]
    plain: Plain<T>,
}

/// The cell that the org sends: in JSON, and in CSV without its quotes.
type Cell = Arc<Mutex<(String, String)>>;

async fn org(cell: &Cell) -> (Server, Connection) {
    let cell = Arc::clone(cell);
    let server = Server::start(move |request| {
        let (json, csv) = cell.lock().unwrap().clone();
        let record = format!(r#"{{"attributes":{{"type":"Account"}},"Cell__c":{json}}}"#);
        let page = format!(r#"{{"totalSize":1,"done":true,"records":[{record}]}}"#);
        match request.target.rsplit('/').next().unwrap_or_default() {
            "resultPages" => {
                let page = format!("/services/data/v66.0/jobs/query/{JOB}/results?locator=x");
                json!({"resultPages": [{"resultUrl": page}], "done": true}).into()
            }
            last if last.starts_with("results?") => {
                let csv = format!("\"Cell__c\"\n\"{}\"\n", csv.replace('"', "\"\""));
                http(
                    200,
                    "Content-Type: text/csv\r\nSforce-NumberOfRecords: 1\r\nSforce-Locator: null\r\n",
                    &csv,
                )
            }
            last if last.starts_with("query?") => Reply::Body(200, page),
            "composite" => {
                let sent: Value = serde_json::from_str(&request.body).unwrap();
                let part = |index: usize, body: &str| {
                    let id = &sent["compositeRequest"][index]["referenceId"];
                    format!(r#"{{"body":{body},"httpHeaders":{{}},"httpStatusCode":200,"referenceId":{id}}}"#)
                };
                let parts = [part(0, &page), part(1, &record)].join(",");
                Reply::Body(200, format!(r#"{{"compositeResponse":[{parts}]}}"#))
            }
            "Account" => Reply::Body(200, format!("[{record}]")),
            last if last.starts_with(RECORD) => Reply::Body(200, record),
            _ => json!({"id": JOB, "state": "JobComplete", "object": "Account"}).into(),
        }
    })
    .await;
    let sf = connect(&server);
    (server, sf)
}

/// Reads the cell in each way.
async fn read<T: DeserializeOwned + Send + 'static>(
    sf: &Connection,
) -> [(&'static str, crate::Result<T>); 6] {
    let one = |rows: Vec<T>| rows.into_iter().next().unwrap();
    let object = sf.sobject("Account");
    let mut composite = sf.composite();
    let page = composite.add(Subrequest::query(sf.query::<T>(SOQL)).unwrap()).unwrap();
    let record = composite.add(Subrequest::retrieve("Account", RECORD, &["Cell__c"]).unwrap()).unwrap();
    let composite = composite.send().await.unwrap();
    let many = object.retrieve_many::<T, _>([RECORD], &["Cell__c"]).await;
    [
        ("query", sf.query::<T>(SOQL).fetch_all().await.map(one)),
        ("job", sf.query::<T>(SOQL).fetch_bulk().try_collect().await.map(one)),
        ("collection", many.map(|rows| one(rows.into_iter().flatten().collect()))),
        ("composite query", composite.get(&page).map(|page| one(page.records))),
        ("composite record", composite.get(&record)),
        ("record", object.retrieve_fields::<T>(RECORD, &["Cell__c"]).await),
    ]
}

/// Reads the cell into structs in each way, and returns the value, which is the same in all of them.
async fn same<T>(sf: &Connection, text: &str) -> Option<T>
where
    T: DeserializeOwned + PartialEq + fmt::Debug + Send + 'static,
{
    let plain = read::<Plain<T>>(sf).await.map(|(way, row)| (way, row.map(|row| row.cell)));
    let flat = read::<Flat<T>>(sf).await.map(|(way, row)| (way, row.map(|row| row.plain.cell)));
    let mut values =
        plain.into_iter().chain(flat).map(|(way, value)| (way, value.map_err(|error| error.to_string())));
    let (_, first) = values.next().unwrap();
    for (way, value) in values {
        let is_same = match (&first, &value) {
            (Ok(first), Ok(value)) => first == value,
            (Err(_), Err(_)) => true,
            _ => false,
        };
        assert!(
            is_same,
            "{text:?} as {}: {first:?} by a query, {value:?} by {way}",
            std::any::type_name::<T>()
        );
    }
    first.ok()
}

/// Maps and `Value` have the JSON that came, and of a job the text that came, where an empty one is null.
async fn same_in_maps(sf: &Connection, (json, csv): &(String, String)) {
    let of_csv = if csv.is_empty() { Value::Null } else { csv.as_str().into() };
    let of_json = serde_json::from_str::<Value>(json).ok();
    let maps = read::<Map<String, Value>>(sf).await.map(|(way, row)| (way, row.map(Value::Object)));
    for (way, row) in maps.into_iter().chain(read::<Value>(sf).await) {
        let expected = if way == "job" { Some(&of_csv) } else { of_json.as_ref() };
        assert_eq!(row.ok().as_ref().map(|row| &row["Cell__c"]), expected, "{json} by {way}");
    }
}

fn cases(fixed: &'static [&'static str], generated: impl Strategy<Value = String>) -> Vec<String> {
    let mut runner = TestRunner::deterministic();
    let generated = std::iter::repeat_with(|| generated.new_tree(&mut runner).unwrap().current());
    fixed.iter().map(|text| (*text).to_owned()).chain(generated.take(CASES - fixed.len())).collect()
}

#[tokio::test]
async fn a_number_reads_the_same_in_each_spelling_and_way() {
    let cell = Cell::default();
    let (_server, sf) = org(&cell).await;
    let any = "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,2})?";
    for number in cases(&NUMBERS, prop_oneof![any, "-?[1-9][0-9]{0,5}0{0,4}(\\.0{1,3})?([eE][+-]?[0-9])?"]) {
        let sent = (number.clone(), number.clone());
        *cell.lock().unwrap() = sent.clone();
        let decimal = same::<SoqlDecimal>(&sf, &number).await;
        let float = same::<f64>(&sf, &number).await;
        let integer = same::<Option<i64>>(&sf, &number).await.flatten();
        let unsigned = same::<u64>(&sf, &number).await;
        same_in_maps(&sf, &sent).await;
        let exact = number.parse::<SoqlDecimal>().ok();
        assert_eq!(decimal, exact, "{number}");
        assert_eq!(float, number.parse().ok().filter(|float: &f64| float.is_finite()), "{number}");
        let whole = exact.map(|exact| exact.to_string());
        assert_eq!(integer, whole.as_ref().and_then(|whole| whole.parse().ok()), "{number}");
        assert_eq!(unsigned, whole.and_then(|whole| whole.parse().ok()), "{number}");
    }
    for number in TOO_LARGE {
        *cell.lock().unwrap() = (number.to_owned(), number.to_owned());
        let exact = number.parse::<SoqlDecimal>().ok();
        let plain = read::<Plain<SoqlDecimal>>(&sf).await.map(|(_, row)| row.ok().map(|row| row.cell));
        let flat = read::<Flat<SoqlDecimal>>(&sf).await.map(|(_, row)| row.ok().map(|row| row.plain.cell));
        assert!(plain.iter().chain(&flat).flatten().all(|read| Some(read) == exact.as_ref()), "{number}");
        assert!(read::<Flat<f64>>(&sf).await.iter().all(|(_, row)| row.is_err()), "{number}");
        assert!(read::<Plain<f64>>(&sf).await.iter().all(|(_, row)| row.is_err()), "{number}");
    }
}

#[tokio::test]
async fn a_text_reads_the_same_in_each_way() {
    let cell = Cell::default();
    let (_server, sf) = org(&cell).await;
    let dates = prop_oneof![
        "[12][0-9]{3}-[01][0-9]-[0-3][0-9]",
        "20[0-9]{2}-0[1-9]-[12][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,3})?(Z|\\+0000|[+-]0[0-9]:[03]0)",
        "[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{3})?Z?",
    ];
    let free = ".{0,12}|[ -~\u{e9}\u{301}\u{1d535}\u{2028}\n\r\t\",;'=+@]{0,16}";
    for text in cases(&TEXTS, prop_oneof![dates, free]) {
        let json = if text.is_empty() { Value::Null } else { text.as_str().into() };
        let sent = (json.to_string(), text.clone());
        *cell.lock().unwrap() = sent.clone();
        let read = same::<Option<String>>(&sf, &text).await;
        assert_eq!(read, Some(Some(text.clone()).filter(|text| !text.is_empty())));
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            same::<Option<SoqlDate>>(&sf, &text).await;
            same::<Option<SoqlDateTime>>(&sf, &text).await;
            same::<Option<SoqlTime>>(&sf, &text).await;
        }
        same_in_maps(&sf, &sent).await;
    }
}
