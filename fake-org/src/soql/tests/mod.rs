//! Queries against the sample data.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod constructs;
mod fuzz;
mod order;
mod polymorphic;

use super::*;
use crate::auth::users;
use crate::data::Data;
use crate::data::schema::Schema;
use crate::data::seed::Sample;

const NOW: Millis = 1_790_000_000_000;
const REQUESTER: Requester<'_> = Requester { scope: Scope::Live, now: NOW, user_id: "" };

fn data() -> Data {
    let data = Data::open(Schema::new(&[]), std::sync::Arc::default()).unwrap();
    data.seed(&Sample { accounts: 40 }, &users::sample("00D000000000001AAA"), NOW).unwrap();
    data
}

fn rows(data: &Data, soql: &str) -> Vec<serde_json::Value> {
    let plan = compile(soql, REQUESTER, &Schema::new(&[]));
    match plan.unwrap_or_else(|e| panic!("{soql}: {}", e.message)) {
        Plan::Rows(plan) => data.with(|inner| {
            let keys = plan.keys(inner).unwrap();
            plan.records(inner, &keys, &|object, id| format!("/{object}/{id}")).unwrap()
        }),
        Plan::Aggregate(plan) => data.with(|inner| plan.records(inner).unwrap()),
        Plan::Count(plan) => vec![serde_json::json!(data.with(|inner| plan.count(inner).unwrap()))],
    }
}

fn names(data: &Data, filter: &str) -> Vec<String> {
    let soql = format!("SELECT Name FROM Account WHERE {filter}");
    rows(data, &soql).iter().map(|row| row["Name"].as_str().unwrap().to_owned()).collect()
}

fn refused(soql: &str) -> (&'static str, String) {
    let refusal = compile(soql, REQUESTER, &Schema::new(&[])).unwrap_err();
    (refusal.code, refusal.message)
}

#[test]
fn text_is_matched_exactly_and_without_regard_to_case() {
    let data = data();
    assert_eq!(names(&data, r"Name = 'o\'brien & sons shipyard'"), ["O'Brien & Sons Shipyard"]);
    assert_eq!(names(&data, r"Name = 'Back\\slash Computing'"), ["Back\\slash Computing"]);
    assert_eq!(names(&data, r#"Name = 'Delta \"Quickstep\" Couriers'"#), ["Delta \"Quickstep\" Couriers"]);
    assert_eq!(names(&data, r"Name = 'K\u0065strel Aerospace'"), ["Kestrel Aerospace"]);
}

#[test]
fn like_treats_escaped_wildcards_as_text() {
    let data = data();
    assert_eq!(names(&data, r"Name LIKE '100\%%'"), ["100% Organic Markets"]);
    assert_eq!(names(&data, r"Name LIKE 'under\_%'"), ["Under_score Records"]);
    assert_eq!(names(&data, r"Name LIKE '%\\%'"), ["Back\\slash Computing"]);
    assert_eq!(names(&data, "Name LIKE '_estrel%'"), ["Kestrel Aerospace"]);
}

#[test]
fn unequal_holds_for_records_without_a_value() {
    let data = data();
    let all = rows(&data, "SELECT Id FROM Account").len();
    let with = names(&data, "Industry = 'Media'").len();
    assert!(!names(&data, "Industry = null").is_empty());
    assert_eq!(names(&data, "Industry != 'Media'").len(), all - with);
    assert_eq!(names(&data, "NOT Industry = 'Media'").len(), all - with);
    assert_eq!(names(&data, "Industry NOT IN ('Media')").len(), all - with);
}

#[test]
fn conditions_nest_with_parentheses_only() {
    let data = data();
    assert_eq!(
        names(&data, "(Name LIKE 'Kestrel%' OR Name LIKE 'Lumen%') AND NumberOfEmployees > 0").len(),
        2
    );
    let (code, message) = refused("SELECT Id FROM Account WHERE Name = 'a' AND Name = 'b' OR Name = 'c'");
    assert_eq!(code, "MALFORMED_QUERY");
    assert!(message.contains("unexpected token: 'OR'"), "{message}");
}

#[test]
fn parents_come_along_and_missing_ones_are_null() {
    let data = data();
    let rows = rows(
        &data,
        "SELECT Name, Account.Name, Account.Owner.Name FROM Contact WHERE Owner.Username = 'ada@example.com' ORDER BY Name LIMIT 1",
    );
    assert_eq!(rows.len(), 1);
    assert!(rows[0]["Account"]["Owner"]["Name"].is_string(), "{}", rows[0]);
    assert_eq!(rows[0]["Account"]["attributes"]["type"], "Account");
    assert!(rows[0].get("Owner").is_none(), "only named in the filter");
    let rows = self::rows(&data, "SELECT Parent.Name FROM Account LIMIT 1");
    assert!(rows[0]["Parent"].is_null());
}

#[test]
fn dates_and_date_literals_are_ranges() {
    let data = data();
    let count = |filter: &str| names(&data, filter).len();
    assert_eq!(count("CreatedDate = TODAY"), 0);
    assert_eq!(count("CreatedDate = YESTERDAY"), names(&data, "CreatedDate >= YESTERDAY").len());
    assert_eq!(count("CreatedDate < TODAY"), 40);
    assert_eq!(count("CreatedDate = LAST_N_DAYS:400"), 40);
    assert_eq!(count("CreatedDate > 2020-01-01T00:00:00Z"), 40);
    assert_eq!(count("CreatedDate > 2020-01-01T00:00:00+02:00"), 40);
    let soql = "SELECT Id FROM Opportunity WHERE CloseDate >= 2020-01-01 AND CloseDate != null";
    assert_eq!(rows(&data, soql).len(), 40);
}

#[test]
fn order_limit_and_offset_work() {
    let data = data();
    let all = rows(&data, "SELECT AnnualRevenue FROM Account ORDER BY AnnualRevenue DESC NULLS LAST, Name");
    assert!(all.last().unwrap()["AnnualRevenue"].is_null());
    let first = rows(&data, "SELECT AnnualRevenue FROM Account ORDER BY AnnualRevenue DESC");
    assert!(first[0]["AnnualRevenue"].is_null(), "nulls come first unless asked otherwise");
    let two = rows(&data, "SELECT Name FROM Account ORDER BY Name LIMIT 2 OFFSET 1");
    assert_eq!(two[0]["Name"], rows(&data, "SELECT Name FROM Account ORDER BY Name")[1]["Name"]);
    assert_eq!(two.len(), 2);
}

#[test]
fn mistakes_get_salesforces_errors() {
    for (soql, code, part) in [
        ("SELECT Id FROM Acount", "INVALID_TYPE", "sObject type 'Acount' is not supported"),
        ("SELECT Nme FROM Account", "INVALID_FIELD", "No such column 'Nme' on entity 'Account'"),
        ("SELECT Foo.Name FROM Account", "INVALID_FIELD", "Didn't understand relationship 'Foo'"),
        ("SELECT Id FROM Account WHERE", "MALFORMED_QUERY", "unexpected token: '<EOF>'"),
        ("SELECT FROM Account", "MALFORMED_QUERY", "unexpected token"),
        ("SELECT Id FROM Account WHERE Name = 'x", "MALFORMED_QUERY", "string literal"),
        (r"SELECT Id FROM Account WHERE Name = '\x'", "MALFORMED_QUERY", "string literal"),
        ("SELECT Id FROM Account WHERE Name = 5", "INVALID_FIELD", "must be of type string"),
        ("SELECT Id FROM Account WHERE NumberOfEmployees = 'a'", "INVALID_FIELD", "must be of type int"),
        ("SELECT Id FROM Account WHERE Id = 'zzz'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: zzz"),
        ("SELECT Id FROM Account OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "2000"),
        ("SELECT Id, Id FROM Account", "MALFORMED_QUERY", "duplicate field selected: Id"),
        (
            "SELECT Name, COUNT(Id) FROM Account",
            "MALFORMED_QUERY",
            "Field must be grouped or aggregated: Name",
        ),
        ("DELETE FROM Account", "MALFORMED_QUERY", "unexpected token: 'DELETE'"),
        ("SELECT Id FROM Account; DROP TABLE Account", "MALFORMED_QUERY", "unexpected token: ';'"),
        ("", "MALFORMED_QUERY", "<EOF>"),
    ] {
        let (got, message) = refused(soql);
        assert_eq!(got, code, "{soql}: {message}");
        assert!(message.contains(part), "{soql}: {message}");
    }
    let deep = format!("SELECT Id FROM Account WHERE {}Name = 'x'{}", "(".repeat(5_000), ")".repeat(5_000));
    assert_eq!(refused(&deep).0, "QUERY_TOO_COMPLICATED");
}

#[test]
fn values_never_become_sql() {
    let data = data();
    for evil in ["x' OR 'a' = 'a", "'; DROP TABLE Account; --", "%", "\u{0}"] {
        let escaped = evil.replace('\\', "\\\\").replace('\'', "\\'");
        assert!(names(&data, &format!("Name = '{escaped}'")).is_empty());
    }
    assert_eq!(rows(&data, "SELECT Id FROM Account").len(), 40);
}
