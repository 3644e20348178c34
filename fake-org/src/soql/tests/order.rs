//! The order of rows where it is not that of the values.

use serde_json::{Value, json};

use super::*;

fn column(data: &Data, soql: &str, name: &str) -> Vec<Value> {
    rows(data, soql).iter().map(|row| row[name].clone()).collect()
}

/// SOQL and SOSL Reference, "ORDER BY": picklists in the order of their values.
#[test]
fn picklists_are_sorted_by_the_order_of_their_values() {
    let data = data();
    let listed = [
        "Transportation",
        "Food & Beverage",
        "Healthcare",
        "Manufacturing",
        "Media",
        "Energy",
        "Insurance",
        "Technology",
    ];
    let mut all = vec![Value::Null];
    all.extend(listed.map(Value::from));
    let unique = |mut found: Vec<Value>| {
        found.dedup();
        found
    };
    assert_eq!(unique(column(&data, "SELECT Industry FROM Account ORDER BY Industry", "Industry")), all);
    let down = "SELECT Industry FROM Account ORDER BY Industry DESC NULLS LAST";
    let reversed: Vec<Value> = all.iter().rev().cloned().collect();
    assert_eq!(unique(column(&data, down, "Industry")), reversed);
    // Groups, and parents' picklists; a label is a text.
    let grouped = "SELECT Industry, COUNT(Id) FROM Account GROUP BY Industry ORDER BY Industry";
    assert_eq!(column(&data, grouped, "Industry"), all);
    let parents =
        "SELECT Account.Industry FROM Contact WHERE Account.Industry != null ORDER BY Account.Industry";
    let found: Vec<Value> =
        rows(&data, parents).iter().map(|row| row["Account"]["Industry"].clone()).collect();
    assert_eq!(unique(found), all[1..]);
    let labels = "SELECT Industry FROM Account WHERE Industry != null ORDER BY toLabel(Industry) LIMIT 1";
    assert_eq!(column(&data, labels, "Industry"), [json!("Energy")]);
    // What is no value of an open picklist comes after its values, by the alphabet.
    data.with(|inner| {
        inner.sqlite.execute_batch("UPDATE Account SET Industry = CASE ExternalKey__c WHEN 'ACC-000001' THEN 'Zoo' ELSE 'Art' END \
                                    WHERE ExternalKey__c IN ('ACC-000001', 'ACC-000002')").unwrap();
    });
    let last = "SELECT Industry FROM Account ORDER BY Industry DESC NULLS LAST LIMIT 3";
    assert_eq!(column(&data, last, "Industry"), [json!("Zoo"), json!("Art"), json!("Technology")]);
}

/// SOQL and SOSL Reference, "GROUP BY ROLLUP": its sample with subtotals orders by `GROUPING`.
#[test]
fn totals_are_sorted_by_what_they_are_totals_of() {
    let data = data();
    let soql = "SELECT Type, GROUPING(Type) g, COUNT(Id) n FROM Account GROUP BY ROLLUP(Type) ORDER BY GROUPING(Type), Type";
    let found = rows(&data, soql);
    let shown: Vec<(&Value, &Value)> = found.iter().map(|row| (&row["g"], &row["Type"])).collect();
    let (zero, one) = (json!(0), json!(1));
    let (customer, prospect, partner) = (json!("Customer"), json!("Prospect"), json!("Partner"));
    assert_eq!(shown, [(&zero, &customer), (&zero, &prospect), (&zero, &partner), (&one, &Value::Null)]);
    assert_eq!(found[3]["n"], 40);
    let (code, message) =
        refused("SELECT Type FROM Account GROUP BY ROLLUP(Type) ORDER BY GROUPING(Industry)");
    assert_eq!(code, "MALFORMED_QUERY");
    assert!(message.contains("Field must be grouped or aggregated: Industry"), "{message}");
}
