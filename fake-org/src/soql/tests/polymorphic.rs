//! Parents that are records of several objects: `Owner`, `Who`, `What`.

use serde_json::json;

use super::{data, refused, rows};
use crate::data::Data;

/// Three tasks: of an account and a contact, of an opportunity and a lead in a queue, of nothing.
fn tasks() -> (Data, Vec<String>) {
    let data = data();
    let ids = ["Account", "Contact", "Opportunity", "Lead", "Group", "Task"];
    let first = |object: &str| {
        let row = &rows(&data, &format!("SELECT Id FROM {object} ORDER BY Id LIMIT 1"))[0];
        row["Id"].as_str().unwrap().to_owned()
    };
    let ids: Vec<String> = ids.iter().map(|object| first(object)).collect();
    data.with(|inner| {
        let sqlite = &inner.sqlite;
        sqlite
            .execute_batch("DELETE FROM Task WHERE rowid > 3; UPDATE Task SET WhatId = NULL, WhoId = NULL")
            .unwrap();
        let set = "UPDATE Task SET WhatId = ?1, WhoId = ?2 WHERE rowid = ?3";
        sqlite.execute(set, (&ids[0], &ids[1], 1)).unwrap();
        sqlite.execute(set, (&ids[2], &ids[3], 2)).unwrap();
        sqlite.execute("UPDATE Task SET OwnerId = ?1 WHERE rowid = 2", [&ids[4]]).unwrap();
    });
    (data, ids)
}

#[test]
fn a_path_through_a_polymorphic_lookup_reads_the_fields_of_name() {
    let (data, ids) = tasks();
    let found = rows(&data, "SELECT Who.Name, What.Type, Owner.Type, What.Id FROM Task ORDER BY Id");
    let name = |object: &str, id: &str| {
        rows(&data, &format!("SELECT Name FROM {object} WHERE Id = '{id}'"))[0]["Name"].clone()
    };
    assert_eq!(found[0]["Who"]["Name"], name("Contact", &ids[1]));
    assert_eq!(found[1]["Who"]["Name"], name("Lead", &ids[3]));
    assert_eq!(found[0]["What"]["Type"], "Account");
    let attributes = json!({ "type": "Name", "url": format!("/Opportunity/{}", ids[2]) });
    assert_eq!(found[1]["What"], json!({ "attributes": attributes, "Type": "Opportunity", "Id": ids[2] }));
    assert_eq!((&found[0]["Owner"]["Type"], &found[1]["Owner"]["Type"]), (&json!("User"), &json!("Queue")));
    assert_eq!((&found[2]["Who"], &found[2]["What"]), (&json!(null), &json!(null)));
    // A parent of Name.
    assert!(
        rows(&data, "SELECT Owner.Profile.Name FROM Task ORDER BY Id")[0]["Owner"]["Profile"]["Name"]
            .is_string()
    );
}

#[test]
fn records_are_filtered_sorted_and_grouped_by_a_polymorphic_parent() {
    let (data, ids) = tasks();
    let count = |filter: &str| rows(&data, &format!("SELECT Id FROM Task WHERE {filter}")).len();
    let name =
        rows(&data, &format!("SELECT Name FROM Account WHERE Id = '{}'", ids[0]))[0]["Name"].to_string();
    let name = name.trim_matches('"').to_uppercase().replace('\'', "\\'");
    for (filter, expected) in [
        ("What.Type = 'Account'".to_owned(), 1),
        ("What.Type IN ('account', 'Opportunity')".to_owned(), 2),
        ("What.Type = 'Case'".to_owned(), 0),
        ("Owner.Type = 'Queue'".to_owned(), 1),
        (format!("What.Name = '{name}'"), 1),
        ("Who.Name = null".to_owned(), 1),
        ("OwnerId IN (SELECT Id FROM Group)".to_owned(), 1),
        ("OwnerId IN (SELECT Id FROM User)".to_owned(), 2),
    ] {
        assert_eq!(count(&filter), expected, "{filter}");
    }
    let groups = rows(
        &data,
        "SELECT What.Type, COUNT(Id) n FROM Task GROUP BY What.Type ORDER BY What.Type NULLS LAST",
    );
    let groups: Vec<_> = groups.iter().map(|group| (group["Type"].clone(), group["n"].clone())).collect();
    assert_eq!(groups[0], (json!("Account"), json!(1)));
    assert_eq!(groups.len(), 3);
}

#[test]
fn typeof_reads_fields_by_the_object_of_the_parent() {
    let (data, ids) = tasks();
    let soql = "SELECT Id, TYPEOF What WHEN Account THEN Phone, Industry WHEN Case THEN Subject ELSE Name, Type END, \
                TYPEOF Who WHEN Lead THEN Company END FROM Task ORDER BY Id";
    let found = rows(&data, soql);
    let account = rows(&data, &format!("SELECT Phone, Industry FROM Account WHERE Id = '{}'", ids[0]));
    assert_eq!(found[0]["What"], account[0], "with the attributes of its object");
    assert_eq!(found[1]["What"]["Type"], "Opportunity");
    assert_eq!(found[1]["What"]["attributes"]["type"], "Name");
    assert!(found[1]["What"]["Name"].is_string() && found[1]["What"].get("Phone").is_none());
    assert_eq!(found[0]["Who"], json!(null), "a contact, for which nothing is said");
    assert!(found[1]["Who"]["Company"].is_string());
    assert_eq!((&found[2]["What"], &found[2]["Who"]), (&json!(null), &json!(null)));
}

#[test]
fn what_a_polymorphic_parent_lacks_is_refused() {
    for (soql, code, part) in [
        ("SELECT What.Industry FROM Task", "INVALID_FIELD", "No such column 'Industry' on entity 'Name'"),
        ("SELECT Id FROM Case WHERE Owner.Department = 'x'", "INVALID_FIELD", "on entity 'Name'"),
        ("SELECT Account.Type2 FROM Contact", "INVALID_FIELD", "on entity 'Account'"),
        ("SELECT What.Owner.Name FROM Task", "INVALID_FIELD", "relationship 'Owner'"),
        ("SELECT Name FROM Name", "INVALID_TYPE", "sObject type 'Name' is not supported"),
        ("SELECT TYPEOF What WHEN Account THEN Nme END FROM Task", "INVALID_FIELD", "on entity 'Account'"),
        (
            "SELECT TYPEOF What WHEN Account THEN Name ELSE Phone2 END FROM Task",
            "INVALID_FIELD",
            "entity 'Name'",
        ),
        ("SELECT TYPEOF Wat WHEN Account THEN Name END FROM Task", "INVALID_FIELD", "relationship 'Wat'"),
        ("SELECT TYPEOF What WHEN Contact THEN Name END FROM Task", "INVALID_TYPE", "Contact is not a type"),
        ("SELECT TYPEOF Account WHEN Account THEN Name END FROM Contact", "MALFORMED_QUERY", "polymorphic"),
        (
            "SELECT What.Name, TYPEOF What WHEN Account THEN Name END FROM Task",
            "MALFORMED_QUERY",
            "list of fields",
        ),
        ("SELECT TYPEOF What WHEN Account THEN Name FROM Task", "MALFORMED_QUERY", "unexpected token"),
        ("SELECT TYPEOF What ELSE Name END FROM Task", "MALFORMED_QUERY", "unexpected token"),
    ] {
        let (got, message) = refused(soql);
        assert_eq!(got, code, "{soql}: {message}");
        assert!(message.contains(part), "{soql}: {message}");
    }
}
