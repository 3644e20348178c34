//! Change events: bitmaps, headers, patches.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Change, ChangeKind, DecodeError, Event, Patch, Position, RawEvent,
    avro::{FieldSet, Schema, to_bytes},
    event::EventSchema,
};

/// The schema of `AccountChangeEvent`, in the form of Salesforce's: a compound that is declared once and named later, and
/// a name with three branches.
pub(super) fn account_schema() -> Value {
    let nullable = |of: Value| json!(["null", of]);
    let field = |name: &str, of: &str, doc: &str| json!({"name": name, "type": ["null", of], "doc": doc, "default": null});
    let strings = json!({"type": "array", "items": "string"});
    let address: Vec<Value> =
        ["Street", "City", "State", "PostalCode", "Country", "StateCode", "CountryCode"]
            .iter()
            .map(|name| field(name, "string", "Data:Text"))
            .chain(["Latitude", "Longitude"].iter().map(|name| field(name, "double", "Data:Double")))
            .chain([field("GeocodeAccuracy", "string", "Data:Text")])
            .collect();
    let kinds = [
        "CREATE",
        "UPDATE",
        "DELETE",
        "UNDELETE",
        "GAP_CREATE",
        "GAP_UPDATE",
        "GAP_DELETE",
        "GAP_UNDELETE",
        "GAP_OVERFLOW",
        "SNAPSHOT",
    ];
    json!({"type": "record", "name": "AccountChangeEvent", "namespace": "com.sforce.eventbus", "fields": [
        {"name": "ChangeEventHeader", "type": {"type": "record", "name": "ChangeEventHeader", "fields": [
            {"name": "entityName", "type": "string"},
            {"name": "recordIds", "type": strings},
            {"name": "changeType", "type": {"type": "enum", "name": "ChangeType", "symbols": kinds}},
            {"name": "changeOrigin", "type": "string"},
            {"name": "transactionKey", "type": "string"},
            {"name": "sequenceNumber", "type": "int"},
            {"name": "commitTimestamp", "type": "long"},
            {"name": "commitNumber", "type": "long"},
            {"name": "commitUser", "type": "string"},
            {"name": "nulledFields", "type": strings},
            {"name": "diffFields", "type": strings},
            {"name": "changedFields", "type": strings},
        ]}},
        {"name": "Name", "type": ["null", "string", {"type": "record", "name": "Switchable_PersonName", "fields": [
            field("Salutation", "string", "Data:Text"), field("FirstName", "string", "Data:Text"),
            field("LastName", "string", "Data:Text"),
        ]}], "doc": "Data:Switchable_PersonName", "default": null},
        field("Type", "string", "Data:DynamicEnum"),
        field("RecordTypeId", "string", "Data:EntityId"),
        field("ParentId", "string", "ForeignKey:EntityId"),
        {"name": "BillingAddress", "type": nullable(json!({"type": "record", "name": "Address", "fields": address})),
         "doc": "Data:Address", "default": null},
        {"name": "ShippingAddress", "type": ["null", "Address"], "doc": "Data:Address", "default": null},
        field("Phone", "string", "Data:Phone"),
        field("Description", "string", "Data:StringPlusClob"),
        field("LastModifiedDate", "long", "Data:DateTime"),
        field("AnnualRevenue", "double", "Data:Currency"),
    ]})
}

fn header(kind: &str) -> Value {
    json!({
        "entityName": "Account", "recordIds": ["001x000003DgQwVAAV"], "changeType": kind,
        "changeOrigin": "com/salesforce/api/rest/66.0;client=our-client", "transactionKey": "00000e-1",
        "sequenceNumber": 1, "commitTimestamp": 1_790_000_000_000_i64, "commitNumber": 1_709_303_151_782_928_388_i64,
        "commitUser": "005x00000012Q9PAAU", "nulledFields": [], "diffFields": [], "changedFields": [],
    })
}

fn event(mut body: Value, header: Value) -> Result<RawEvent, DecodeError> {
    let schema = Schema::parse(&account_schema().to_string()).unwrap();
    body["ChangeEventHeader"] = header;
    let payload = Bytes::from(to_bytes(&schema, &body).unwrap());
    RawEvent::new(Arc::new(EventSchema { id: "schema-1".into(), schema }), payload)
}

/// An update with these bitmaps.
fn update(body: Value, changed: &[&str], nulled: &[&str], diff: &[&str]) -> Result<RawEvent, DecodeError> {
    let mut header = header("UPDATE");
    header["changedFields"] = json!(changed);
    header["nulledFields"] = json!(nulled);
    header["diffFields"] = json!(diff);
    event(body, header)
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Account {
    name: Patch<String>,
    phone: Patch<String>,
    description: Patch<String>,
    billing_address: Patch<Address>,
    shipping_address: Patch<Address>,
    annual_revenue: Option<f64>,
    #[serde(rename = "Score__c")]
    score: Patch<f64>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Address {
    city: Patch<String>,
    state: Patch<String>,
    country: Option<String>,
}

fn set(text: &str) -> Patch<String> {
    Patch::Set(text.to_owned())
}

#[test]
fn the_bitmaps_of_the_documentation_name_their_fields() {
    // Change Data Capture Developer Guide: fields 5, 6, 7, 10, 24, 26, 29, 30; 4 of field 4; 1 and 2 of field 7.
    let fields: Vec<Value> = (0..32)
        .map(|n| match n {
            4 => json!({"name": "f4", "type": ["null", {"type": "record", "name": "Four", "fields":
                (0..6).map(|n| json!({"name": format!("c{n}"), "type": "int"})).collect::<Vec<_>>()}]}),
            7 => json!({"name": "f7", "type": ["null", "string", "Four"]}),
            n => json!({"name": format!("f{n}"), "type": "int"}),
        })
        .collect();
    let schema = json!({"type": "record", "name": "E", "fields": fields}).to_string();
    let schema = Schema::parse(&schema).unwrap();
    let names =
        |entries: &[&str]| FieldSet::parse(entries).unwrap().names(&schema).map(|names| names.join(" "));
    let expected = "f4.c4 f5 f6 f7.c1 f7.c2 f10 f24 f26 f29 f30";
    assert_eq!(names(&["0x650004E0", "4-0x10", "7-0x06"]).unwrap(), expected);
    // Captured (pub-sub-api-node-client issue 27).
    assert_eq!(names(&["0x2080"]).unwrap(), "f7 f13");
    assert_eq!(names(&[]).unwrap(), "");
    // A field that the schema does not have, and a part of a field that has no parts.
    for entries in [&["0x0100000000"][..], &["4-0x40"], &["5-0x01"], &["40-0x01"]] {
        assert!(names(entries).is_err(), "{entries:?}");
    }
    for entries in
        ["", "0x", "80", "0xG0", "-0x01", "x-0x01", "4-", "-1-0x01", "99999999999999999999-0x1", "10001-0x1"]
    {
        assert!(FieldSet::parse(&[entries]).is_err(), "{entries:?}");
    }
    assert!(FieldSet::parse(&[format!("0x{}", "F".repeat(1_000_000))]).is_err());
}

#[test]
fn an_update_has_what_changed_and_tells_cleared_from_unchanged() {
    // Phone (7), last-modified date (9), billing city (1 of 5) and state (2 of 5); the state was cleared.
    let body = json!({
        "Phone": "030 1234", "LastModifiedDate": 1_790_000_000_000_i64, "AnnualRevenue": 7.5,
        "BillingAddress": {"City": "Berlin", "Country": "Germany"},
    });
    let event = update(body, &["0x0280", "5-0x06"], &["5-0x04"], &[]).unwrap();
    let Change::Updated(account) = event.decode::<Change<Account>>().unwrap() else { panic!("{event:?}") };
    let billing = Address { city: set("Berlin"), state: Patch::Cleared, country: Some("Germany".into()) };
    let expected = Account {
        phone: set("030 1234"),
        billing_address: Patch::Set(billing),
        annual_revenue: Some(7.5),
        ..Account::default()
    };
    assert_eq!(account, expected);
    let header = event.header().unwrap();
    assert_eq!(
        header.changed_fields,
        ["BillingAddress.City", "BillingAddress.State", "Phone", "LastModifiedDate"]
    );
    assert_eq!(header.nulled_fields, ["BillingAddress.State"]);
    assert_eq!(header.commit_number, 1_709_303_151_782_928_388);
    assert!(header.is_from("our-client") && !header.is_from("our"));
    assert_eq!((event.name(), event.schema_id()), ("AccountChangeEvent", "schema-1"));
}

#[test]
fn a_patch_of_an_option_reads_its_field_once() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Optional {
        phone: Patch<Option<String>>,
        annual_revenue: Patch<Option<f64>>,
    }
    let event = update(json!({"Phone": "030 1234", "AnnualRevenue": 7.5}), &["0x0480"], &[], &[]).unwrap();
    let Change::Updated(account) = event.decode::<Change<Optional>>().unwrap() else { panic!("{event:?}") };
    let phone = Patch::Set(Some("030 1234".to_owned()));
    assert_eq!(account, Optional { phone, annual_revenue: Patch::Set(Some(7.5)) });
}

#[test]
fn a_cleared_field_a_cleared_address_and_a_diff_are_told_apart() {
    let text = "--- \n+++ \n@@ -1,1 +1,1 @@\n-a\n+b";
    let event = update(
        json!({"Description": text, "BillingAddress": {}}),
        &["0x0182", "5-0x03FF"],
        &["0x82", "5-0x03FF"],
        &["0x0100"],
    );
    let Change::Updated(account) = event.unwrap().decode::<Change<Account>>().unwrap() else { panic!() };
    let expected = Account {
        name: Patch::Cleared,
        phone: Patch::Cleared,
        description: Patch::Diff(text.into()),
        billing_address: Patch::Cleared,
        ..Account::default()
    };
    assert_eq!(account, expected);

    // Java's helper lists a cleared address by the address alone.
    let event = update(json!({}), &["0x40"], &["0x40"], &[]).unwrap();
    let Change::Updated(account) = event.decode::<Change<Account>>().unwrap() else { panic!() };
    assert_eq!(account, Account { shipping_address: Patch::Cleared, ..Account::default() });
}

/// Below `#[serde(flatten)]` and in such enums serde buffers the values and reads them later.
#[test]
fn a_patch_below_flatten_is_not_cleared_by_an_unchanged_field() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Flat {
        phone: Patch<String>,
        #[serde(flatten)]
        account: Account,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Account(Account),
    }
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(tag = "ParentId")]
    enum Tagged {
        #[serde(rename = "a")]
        Account(Account),
    }
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Rest {
        name: Patch<String>,
        #[serde(flatten)]
        rest: serde_json::Map<String, Value>,
    }
    // The name, one part of an address and the whole other address were cleared; the revenue comes from an enriched channel.
    let body = json!({"ParentId": "a", "BillingAddress": {}, "ShippingAddress": {"City": "Bonn"}, "AnnualRevenue": 5.0});
    let nulled = ["0x02", "5-0x03FF", "6-0x04"];
    let event = update(body.clone(), &["0x12", "5-0x03FF", "6-0x06"], &nulled, &[]).unwrap();
    let shipping = Address { city: set("Bonn"), state: Patch::Cleared, country: None };
    let account = Account {
        name: Patch::Cleared,
        billing_address: Patch::Cleared,
        shipping_address: Patch::Set(shipping),
        annual_revenue: Some(5.0),
        ..Account::default()
    };
    assert_eq!(
        event.decode(),
        Ok(Change::Updated(Flat { phone: Patch::Unchanged, account: account.clone() }))
    );
    assert_eq!(event.decode(), Ok(Change::Updated(Untagged::Account(account.clone()))));
    assert_eq!(event.decode(), Ok(Change::Updated(Tagged::Account(account.clone()))));
    assert_eq!(event.decode(), Ok(Change::Updated(account)));
    let Ok(Change::Updated(Rest { name: Patch::Cleared, rest })) = event.decode() else { panic!() };
    assert_eq!((&rest["Phone"], &rest["AnnualRevenue"]), (&Value::Null, &json!(5.0)));

    // A diff in a buffer would look like the text itself.
    let event =
        update(json!({"Description": "+canary", "ParentId": "a"}), &["0x0110"], &[], &["0x0100"]).unwrap();
    for error in [
        event.decode::<Change<Flat>>().unwrap_err(),
        event.decode::<Change<Untagged>>().unwrap_err(),
        event.decode::<Change<Tagged>>().unwrap_err(),
    ] {
        let text = format!("{error} {error:?}");
        assert!(text.contains("`Description`: the value is a diff") && !text.contains("canary"), "{text}");
    }
    assert_eq!(event.decode::<Value>().unwrap()["Description"], "+canary");
}

#[test]
fn a_new_record_has_all_of_its_fields() {
    let body = json!({"Name": "Acme", "ShippingAddress": {"City": "Bonn"}});
    for kind in ["CREATE", "UNDELETE"] {
        let event = event(body.clone(), header(kind)).unwrap();
        let account = match event.decode::<Change<Account>>().unwrap() {
            Change::Created(account) if kind == "CREATE" => account,
            Change::Undeleted(account) if kind == "UNDELETE" => account,
            other => panic!("{other:?}"),
        };
        let shipping = Address { city: set("Bonn"), state: Patch::Cleared, country: None };
        assert_eq!((account.name, account.phone), (set("Acme"), Patch::Cleared));
        assert_eq!(account.shipping_address, Patch::Set(shipping));
        assert_eq!(account.score, Patch::Unchanged, "a field that the schema does not have");
    }
}

#[test]
fn a_deletion_a_gap_and_an_overflow_have_no_record() {
    let decoded = |kind: &str| event(json!({}), header(kind)).unwrap().decode::<Change<Account>>();
    assert_eq!(decoded("DELETE").unwrap(), Change::Deleted);
    assert_eq!(decoded("GAP_UPDATE").unwrap(), Change::Gap(ChangeKind::GapUpdate));
    assert_eq!(decoded("GAP_OVERFLOW").unwrap(), Change::Overflow);
    assert_eq!(decoded("SNAPSHOT").unwrap_err(), DecodeError::UnknownChange);
}

#[test]
fn a_field_with_three_branches_is_read_into_an_enum() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Name {
        Company(String),
        #[serde(rename_all = "PascalCase")]
        Person {
            last_name: String,
        },
    }
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Account {
        name: Patch<Name>,
    }
    for (name, expected) in [
        (json!("Acme"), Name::Company("Acme".into())),
        (json!({"LastName": "Doe"}), Name::Person { last_name: "Doe".into() }),
    ] {
        let event = update(json!({"Name": name}), &["0x02"], &[], &[]).unwrap();
        assert_eq!(event.decode(), Ok(Change::Updated(Account { name: Patch::Set(expected) })));
    }
}

#[test]
fn an_invalid_bitmap_is_an_error_of_its_event() {
    for changed in [&["0x8000"][..], &["1-0x08"], &["7-0x01"], &["zz"]] {
        assert_eq!(
            update(json!({}), changed, &[], &[]).unwrap_err(),
            DecodeError::ChangedFields,
            "{changed:?}"
        );
    }
}

#[test]
fn a_platform_event_is_read_into_a_struct_or_json() {
    let schema = json!({"type": "record", "name": "Order__e", "fields": [
        {"name": "CreatedDate", "type": "long", "doc": "CreatedDate:DateTime"}, {"name": "Note__c", "type": ["null", "string"]},
    ]});
    let schema = Schema::parse(&schema.to_string()).unwrap();
    let payload = to_bytes(&schema, &json!({"CreatedDate": 5, "Note__c": "x"})).unwrap();
    let event = RawEvent::new(Arc::new(EventSchema { id: "a".into(), schema }), payload.into()).unwrap();
    #[derive(Debug, PartialEq, Deserialize)]
    struct Order {
        #[serde(rename = "Note__c")]
        note: String,
    }
    assert_eq!(Order::decode(&event), Ok(Order { note: "x".into() }));
    assert_eq!(event.decode::<Value>(), Ok(json!({"CreatedDate": 5, "Note__c": "x"})));
    assert_eq!(event.decode::<Change<Order>>(), Err(DecodeError::NotAChange));
    assert!(!format!("{event:?}").contains("\"x\""), "{event:?}");
}

#[test]
fn a_position_is_stored_as_a_text() {
    let position = Position::from_bytes(&[0, 0, 0, 0, 0, 4, 135, 68, 0, 0]).unwrap();
    assert_eq!(position.to_string().parse(), Ok(position));
    for text in ["", "*", &"A".repeat(200)] {
        assert!(text.parse::<Position>().is_err(), "{text}");
    }
}

#[test]
fn a_patch_of_json_is_set_or_cleared() {
    let account: Account = serde_json::from_value(json!({"Name": "Acme", "Phone": null})).unwrap();
    assert_eq!(account, Account { name: set("Acme"), phone: Patch::Cleared, ..Account::default() });
}
