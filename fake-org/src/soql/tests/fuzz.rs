//! Whatever is asked, a query is compiled and run, or refused with 400: nothing panics, and SQLite never refuses
//! what was compiled.

use std::cell::LazyCell;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::data::DataError;

thread_local! {
    static DATA: LazyCell<Data> = LazyCell::new(data);
}

/// What became of a query; `Err` is what would be a 500.
fn run_query(text: &str, scope: Scope) -> Result<usize, String> {
    DATA.with(|data| {
        data.with(|inner| {
            let plan = match compile(text, Requester { scope, ..REQUESTER }, &inner.schema) {
                Ok(plan) => plan,
                Err(refusal) if refusal.status == 400 && !refusal.message.is_empty() => return Ok(0),
                Err(refusal) => return Err(format!("{refusal:?}")),
            };
            let ran = match plan {
                Plan::Count(plan) => plan.count(inner).map(|n| usize::try_from(n).unwrap()),
                Plan::Aggregate(plan) => plan.records(inner).map(|records| records.len()),
                Plan::Rows(plan) => plan.keys(inner).and_then(|keys| {
                    let some = keys.get(..keys.len().min(3)).unwrap_or_default();
                    plan.records(inner, some, &|_, id| id.to_owned()).map(|records| {
                        assert_eq!(records.len(), some.len(), "{text}");
                        keys.len()
                    })
                }),
            };
            match ran {
                Ok(n) => Ok(n),
                Err(DataError::Refused(refusal)) if refusal.status == 400 => Ok(0),
                Err(error) => Err(error.to_string()),
            }
        })
    })
}

const WORDS: [&str; 96] = [
    "SELECT",
    "FROM",
    "WHERE",
    "AND",
    "OR",
    "NOT",
    "IN",
    "LIKE",
    "INCLUDES",
    "EXCLUDES",
    "ORDER BY",
    "GROUP BY",
    "HAVING",
    "LIMIT",
    "OFFSET",
    "NULLS FIRST",
    "NULLS LAST",
    "ASC",
    "DESC",
    "FOR VIEW",
    "FOR UPDATE",
    "UPDATE TRACKING",
    "WITH SECURITY_ENFORCED",
    "USING SCOPE mine",
    "USING SCOPE team",
    "TYPEOF",
    "END",
    "ROLLUP",
    "CUBE",
    "GROUPING(",
    "COUNT()",
    "COUNT(",
    "COUNT_DISTINCT(",
    "SUM(",
    "MIN(",
    "MAX(",
    "AVG(",
    "FORMAT(",
    "toLabel(",
    "convertCurrency(",
    "convertTimezone(",
    "CALENDAR_YEAR(",
    "DAY_ONLY(",
    "HOUR_IN_DAY(",
    "FISCAL_QUARTER(",
    "FIELDS(ALL)",
    "FIELDS(STANDARD)",
    "FIELDS(CUSTOM)",
    "FIELDS(",
    "(",
    ")",
    ",",
    ".",
    ":",
    "=",
    "!=",
    "<>",
    "<",
    "<=",
    ">",
    ">=",
    "Account",
    "Contact",
    "Contacts",
    "Opportunities",
    "User",
    "Project__c",
    "Projects__r",
    "Id",
    "Name",
    "AccountId",
    "Account.Name",
    "Owner.Profile.Name",
    "Parent.Parent.Name",
    "Amount",
    "AnnualRevenue",
    "CloseDate",
    "CreatedDate",
    "IsDeleted",
    "Tags__c",
    "Description",
    "Industry",
    "'x'",
    "'%a_'",
    "''",
    "null",
    "true",
    "12",
    "-1.5e3",
    "2026-01-31",
    "2026-01-31T00:00:00Z",
    "TODAY",
    "LAST_N_DAYS:3",
    "N_FISCAL_YEARS_AGO:2",
    "a",
    "\u{1f600}",
];

/// Text made of what queries are made of.
fn soup() -> impl Strategy<Value = String> {
    let word = prop_oneof![12 => select(&WORDS[..]).prop_map(str::to_owned), 1 => ".{0,4}"];
    let words = prop::collection::vec(word, 0..24).prop_map(|words| words.join(" "));
    prop_oneof![words.clone(), words.prop_map(|words| format!("SELECT {words}"))]
}

/// A field of the object, now and then in a function, and seldom one of something else.
fn field(object: &'static str) -> impl Strategy<Value = String> {
    let mut names: Vec<String> =
        Schema::new(&[]).object(object).unwrap().fields.iter().map(|field| field.name.to_owned()).collect();
    names.extend(
        ["Owner.Name", "CreatedBy.Profile.Name", "LastModifiedBy.CreatedDate", "Account.Parent.Industry"]
            .map(str::to_owned),
    );
    names.extend(["c.Name", "Nope"].map(str::to_owned));
    const FUNCTIONS: [&str; 14] = [
        "COUNT",
        "COUNT_DISTINCT",
        "SUM",
        "AVG",
        "MIN",
        "MAX",
        "FORMAT",
        "toLabel",
        "convertCurrency",
        "CALENDAR_MONTH",
        "DAY_ONLY",
        "HOUR_IN_DAY",
        "WEEK_IN_YEAR",
        "GROUPING",
    ];
    let name = select(names);
    prop_oneof![
        8 => name.clone(),
        1 => (select(&FUNCTIONS[..]), name).prop_map(|(function, name)| format!("{function}({name})")),
    ]
}

fn value() -> impl Strategy<Value = String> {
    let text =
        any::<String>().prop_map(|text| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")));
    let words = select(
        &[
            "null",
            "true",
            "FALSE",
            "0",
            "-1",
            "3.5",
            "1e400",
            "99999999999999999999",
            "2026-02-30",
            "1699-01-01",
            "2026-01-31",
            "2026-01-31T23:59:59+02:00",
            "TODAY",
            "NEXT_N_QUARTERS:99999999999999",
            "LAST_90_DAYS",
            "THIS_FISCAL_YEAR",
            "'001000000000001AAA'",
            "''",
            "'%'",
            "'a;b'",
        ][..],
    );
    prop_oneof![1 => text, 2 => words.prop_map(str::to_owned)]
}

fn condition(object: &'static str) -> impl Strategy<Value = String> {
    let ops = select(&["=", "!=", "<", ">", "<=", ">=", "LIKE"][..]);
    let lists = select(&["IN", "NOT IN", "INCLUDES", "EXCLUDES"][..]);
    let inner = select(
        &[
            "SELECT Id FROM Account",
            "SELECT AccountId FROM Contact WHERE Name LIKE 'a%'",
            "SELECT Id FROM User",
            "SELECT Account__c FROM Project__c",
            "SELECT Name FROM Lead",
            "SELECT OwnerId FROM Case ORDER BY Id",
        ][..],
    );
    let right = select(
        &[
            "Name LIKE '%a%'",
            "Id != null",
            "CreatedDate > LAST_N_DAYS:30",
            "OwnerId IN ('005000000000001AAA', null)",
            "CreatedDate <= 2026-01-31T23:59:59+02:00",
            "Owner.Name NOT IN ('x', 'y')",
            "IsDeleted = false",
            "DAY_ONLY(CreatedDate) < 2026-01-31",
            "CALENDAR_YEAR(LastModifiedDate) = 2026",
            "Owner.IsActive = TRUE",
            "CreatedById IN (SELECT OwnerId FROM Case WHERE Status != 'New')",
        ][..],
    );
    let leaf = prop_oneof![
        12 => right.prop_map(str::to_owned),
        4 => (field(object), ops, value()).prop_map(|(field, op, value)| format!("{field} {op} {value}")),
        2 => (field(object), lists.clone(), prop::collection::vec(value(), 1..5))
            .prop_map(|(field, op, values)| format!("{field} {op} ({})", values.join(","))),
        1 => (field(object), lists, inner).prop_map(|(field, op, inner)| format!("{field} {op} ({inner})")),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            (prop::collection::vec(inner.clone(), 2..4), select(&[" AND ", " OR "][..]))
                .prop_map(|(all, word)| format!("({})", all.join(word))),
            inner.prop_map(|inner| format!("NOT ({inner})")),
        ]
    })
}

/// Queries that are nearly right.
fn query() -> impl Strategy<Value = String> {
    select(&["Account", "Contact", "Opportunity", "Project__c", "Lead", "Attachment"][..]).prop_flat_map(|object| {
        let items = prop_oneof![
            20 => field(object),
            1 => (field(object), "[a-c]").prop_map(|(field, alias)| format!("{field} {alias}")),
            1 => field("Contact").prop_map(|field| format!("(SELECT {field} FROM Contacts WHERE Name != 'x' LIMIT 2)")),
        ];
        let more = select(&["", ", COUNT(Id) n, MAX(Name)", ", GROUPING(Name)"][..]);
        let grouped = (select(&["", "", "ROLLUP", "CUBE"][..]), prop::collection::vec(field(object), 1..4), more);
        let select = prop_oneof![
            6 => prop::collection::vec(items, 1..5).prop_map(|items| (items.join(", "), String::new())),
            3 => grouped.prop_map(|(totals, fields, more)| {
                let list = fields.join(", ");
                let by = if totals.is_empty() { list.clone() } else { format!("{totals}({list})") };
                (format!("{list}{more}"), format!(" GROUP BY {by}"))
            }),
            1 => Just(("COUNT()".to_owned(), String::new())),
            1 => Just(("FIELDS(ALL)".to_owned(), String::new())),
        ];
        let alias = prop::sample::select(&["", "", " c", " c USING SCOPE mine"][..]);
        let having = prop::option::weighted(0.05, prop_oneof![
            condition(object), Just("COUNT(Id) > 1".to_owned()), Just("MAX(CreatedDate) < TODAY".to_owned()),
        ]);
        let direction = prop::sample::select(&["", " DESC", " ASC NULLS LAST"][..]);
        let tail = (
            prop::option::weighted(0.5, condition(object)),
            having,
            prop::option::weighted(0.3, (field(object), direction)),
            prop::option::of(0..210_u32),
            prop::option::weighted(0.2, 0..2_010_u32),
        );
        (select, alias, tail).prop_map(move |((shown, group), alias, (filter, having, order, limit, offset))| {
            let clause = |word: &str, text: Option<String>| text.map_or_else(String::new, |text| format!(" {word} {text}"));
            [
                format!("SELECT {shown} FROM {object}{alias}"),
                clause("WHERE", filter),
                group,
                clause("HAVING", having),
                clause("ORDER BY", order.map(|(field, direction)| format!("{field}{direction}"))),
                clause("LIMIT", limit.map(|n| n.to_string())),
                clause("OFFSET", offset.map(|n| n.to_string())),
            ]
            .concat()
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_gets_a_result(text in any::<String>()) {
        prop_assert!(run_query(&text, Scope::Live).is_ok());
    }

    #[test]
    fn any_words_of_soql_get_a_result(text in soup()) {
        let response = run_query(&text, Scope::All);
        prop_assert!(response.is_ok(), "{text}: {response:?}");
    }

    #[test]
    fn nearly_right_queries_get_a_result(text in query()) {
        let response = run_query(&text, Scope::Live);
        prop_assert!(response.is_ok(), "{text}: {response:?}");
    }
}

#[test]
fn nearly_right_queries_are_often_right() {
    // Else the test above proves little.
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let right = (0..2_000).filter(|_| {
        let text = query().new_tree(&mut runner).unwrap().current();
        DATA.with(|data| data.with(|inner| compile(&text, REQUESTER, &inner.schema).is_ok()))
    });
    let right = right.count();
    assert!(right > 400, "{right} of 2000");
}

#[test]
fn huge_queries_get_a_result() {
    let list = |item: &str, n: usize, joint: &str| vec![item; n].join(joint);
    for text in [
        format!("SELECT Id FROM Account WHERE {}", list("Name='a'", 8_000, " OR ")),
        format!("SELECT Id FROM Account WHERE {}", list("Name!='a'", 6_000, " AND ")),
        format!("SELECT Id FROM Account WHERE Name IN ({})", list("'a'", 24_000, ",")),
        format!("SELECT Id FROM Account WHERE NumberOfEmployees IN ({})", list("1", 49_000, ",")),
        format!("SELECT Id FROM Project__c WHERE Tags__c INCLUDES ({})", list("'a;b'", 14_000, ",")),
        format!("SELECT Id FROM Project__c WHERE Tags__c INCLUDES ('{}')", list("a", 1_900, ";")),
        format!("SELECT Id FROM Account WHERE {} Name = 'a'", list("NOT", 20_000, " ")),
        format!("SELECT Id FROM Account WHERE {}Name = 'a'{}", "NOT (".repeat(90), ")".repeat(90)),
        format!("SELECT Id FROM Account WHERE {}Name = 'a'{}", "NOT (".repeat(9_000), ")".repeat(9_000)),
        format!(
            "SELECT {} FROM Account",
            (0..5_000).map(|i| format!("MAX(Name) a{i}")).collect::<Vec<_>>().join(",")
        ),
        format!(
            "SELECT {} FROM Account",
            (0..4_000).map(|i| format!("toLabel(Name) a{i}")).collect::<Vec<_>>().join(",")
        ),
        format!("SELECT Id FROM Account ORDER BY {}", list("Name", 12_000, ",")),
        format!("SELECT COUNT(Id) FROM Account GROUP BY {}", list("Name", 12_000, ",")),
        format!("SELECT Id FROM Account WHERE Name LIKE '{}'", "%a".repeat(30_000)),
        format!("SELECT {}Id{} FROM Account", "toLabel(".repeat(9_000), ")".repeat(9_000)),
        format!(
            "SELECT {} FROM Account",
            (0..80).map(|_| "(SELECT Id FROM Contacts)").collect::<Vec<_>>().join(",")
        ),
        format!("SELECT {} Id {} FROM Account", "Id, (SELECT ".repeat(30), " FROM ChildAccounts)".repeat(30)),
        format!("SELECT Id FROM Account LIMIT {}", u64::MAX),
        "SELECT Id FROM Account WHERE CreatedDate = LAST_N_YEARS:18446744073709551615".to_owned(),
    ] {
        let response = run_query(&text, Scope::Live);
        assert!(response.is_ok(), "{}…: {response:?}", text.get(..60).unwrap());
    }
    // Every parent of every parent, more than SQLite joins.
    let mut paths = vec![String::new()];
    for _ in 0..3 {
        paths = paths
            .iter()
            .flat_map(|path| {
                ["Parent.", "Owner.Profile.", "CreatedBy.", "LastModifiedBy."]
                    .map(|name| format!("{path}{name}"))
            })
            .collect();
    }
    let fields: Vec<String> = paths.iter().map(|path| format!("{path}Name")).collect();
    assert!(run_query(&format!("SELECT {} FROM Account", fields.join(", ")), Scope::Live).is_ok());
}
