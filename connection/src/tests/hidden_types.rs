//! Enums with `#[serde(untagged)]` and `#[serde(tag)]`, and names in other cases below `#[serde(flatten)]`: serde stores the
//! values before it knows their types.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;
use crate::tests::flattened::{Flat, each_way};

/// Fails unless each way to read names the field and Salesforce's name.
async fn assert_named<T: serde::de::DeserializeOwned + Send + 'static>(
    csv: &str,
    rows: &[&str],
    field: &str,
) {
    for (way, rows) in each_way::<T>(csv, rows).await {
        let Err(error) = rows else { panic!("{way}: {field} is read as missing") };
        assert!(error.to_string().contains(&format!("`{field}`")), "{way}: {error}");
    }
}

macro_rules! flattened {
    ($($name:ident $field:literal)*) => {$(
        #[derive(Debug, Deserialize)]
        #[allow(dead_code, reason = "read by serde only")]
        struct $name {
            #[serde(rename = $field)]
            value: Option<String>,
        }
    )*};
}

flattened! {
    AccountUpper "AccountID" ExternalUpper "ExternalID__c" Photo "PhotoURL" User "UserName" Camel "userName" Phone "Phone"
}

/// X-11
#[tokio::test]
async fn a_flattened_field_in_any_usual_case_is_an_error_in_each_way_to_read() {
    const CSV: &str = "Name,AccountId,ExternalId__c,PhotoUrl,Username\nA,a,b,c,d\n";
    const ROW: &str = r#"{"attributes":{"type":"Account"},"Name":"A","AccountId":"a","ExternalId__c":"b","PhotoUrl":"c","Username":"d"}"#;
    assert_named::<Flat<AccountUpper>>(CSV, &[ROW], "AccountID").await;
    assert_named::<Flat<ExternalUpper>>(CSV, &[ROW], "ExternalID__c").await;
    assert_named::<Flat<Photo>>(CSV, &[ROW], "PhotoURL").await;
    assert_named::<Flat<User>>(CSV, &[ROW], "UserName").await;
    assert_named::<Flat<Option<Camel>>>(CSV, &[ROW], "userName").await;
}

/// X-11
#[tokio::test]
async fn a_flattened_field_in_another_case_is_an_error_beside_a_map_of_the_other_fields() {
    #[derive(Debug, Deserialize)]
    struct WithRest<T> {
        #[serde(flatten)]
        known: T,
        #[serde(flatten)]
        rest: BTreeMap<String, Value>,
    }
    #[derive(Debug, Deserialize)]
    struct RestFirst<T> {
        #[serde(flatten)]
        _rest: BTreeMap<String, Value>,
        #[serde(flatten)]
        _known: T,
    }
    #[derive(Debug, Deserialize)]
    struct Revenue {
        #[serde(rename = "annualRevenue")]
        _revenue: Option<f64>,
    }
    const CSV: &str = "Name,phone,AnnualRevenue\nA,5,7\n";
    const ROW: &str = r#"{"attributes":{"type":"Account"},"Name":"A","phone":"5","AnnualRevenue":7.0}"#;
    assert_named::<WithRest<Phone>>(CSV, &[ROW], "Phone").await;
    assert_named::<RestFirst<Phone>>(CSV, &[ROW], "Phone").await;
    assert_named::<WithRest<Revenue>>(CSV, &[ROW], "annualRevenue").await;
    for (way, rows) in
        each_way::<WithRest<Phone>>("Name,Phone\nA,5\n", &[r#"{"Name":"A","Phone":"5"}"#]).await
    {
        let rows = rows.unwrap();
        assert_eq!(
            (rows[0].known.value.as_deref(), &rows[0].rest["Name"]),
            (Some("5"), &json!("A")),
            "{way}"
        );
    }
}

/// X-11: a proxy may pretty-print a response.
#[tokio::test]
async fn a_later_rows_parent_in_another_case_is_found_in_a_pretty_printed_response() {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "read by serde only")]
    struct Owned {
        #[serde(rename = "Owner")]
        owner: Option<Lower>,
    }
    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "read by serde only")]
    struct Lower {
        name: Option<String>,
    }
    let page = json!({"totalSize": 2, "done": true, "records": [{"Owner": null}, {"Owner": {"Name": "A"}}]});
    let page = serde_json::to_string_pretty(&page).unwrap();
    let server = Server::start(move |_| Reply::Body(200, page.clone())).await;
    let error =
        connect(&server).query::<Owned>("SELECT Owner.Name FROM Account").fetch_all().await.unwrap_err();
    assert!(error.to_string().contains("`name`"), "{error}");
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
enum Number {
    Number(f64),
    Text(String),
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Whole {
    Whole(i64),
    Flag(bool),
}

#[derive(Debug, PartialEq, Deserialize)]
struct Sample<T> {
    #[serde(rename = "Key__c")]
    key: Number,
    #[serde(flatten)]
    rest: T,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Plain {
    #[serde(rename = "Key__c")]
    key: Number,
    #[serde(rename = "Seats__c")]
    seats: Whole,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Seats {
    #[serde(rename = "Seats__c")]
    seats: i64,
    #[serde(rename = "Other__c")]
    other: Option<Number>,
}

/// X-01: the type takes a text, so that the text that came is its value.
#[tokio::test]
async fn an_enum_that_takes_a_text_gets_the_text_of_a_job() {
    let text = |text: &str| Number::Text(text.to_owned());
    let csv = "Key__c,Seats__c,Other__c\n12E5,5.0,7\n0049,1.0E7,0.5\n";
    let rows = [
        r#"{"Key__c":"12E5","Seats__c":5.0,"Other__c":"7"}"#,
        r#"{"Key__c":"0049","Seats__c":1.0E7,"Other__c":"0.5"}"#,
    ];
    for (way, read) in each_way::<Plain>(csv, &rows).await {
        let read = read.unwrap_or_else(|error| panic!("{way}: {error}"));
        assert_eq!(read[0], Plain { key: text("12E5"), seats: Whole::Whole(5) }, "{way}");
    }
    for (way, read) in each_way::<Sample<Seats>>(csv, &rows).await {
        let read = read.unwrap_or_else(|error| panic!("{way}: {error}"));
        let expected = Sample { key: text("12E5"), rest: Seats { seats: 5, other: Some(text("7")) } };
        assert_eq!(read[0], expected, "{way}");
        let expected =
            Sample { key: text("0049"), rest: Seats { seats: 10_000_000, other: Some(text("0.5")) } };
        assert!(read.get(1).is_none_or(|row| *row == expected), "{way}: {read:?}");
    }
    for (way, read) in each_way::<Sample<Option<Seats>>>(csv, &rows).await {
        let read = read.unwrap_or_else(|error| panic!("{way}: {error}"));
        let expected = Sample { key: text("12E5"), rest: Some(Seats { seats: 5, other: Some(text("7")) }) };
        assert_eq!(read[0], expected, "{way}");
    }
    let csv = "Key__c,Other__c\n12E5,true\n";
    for (way, read) in
        each_way::<BTreeMap<String, Number>>(csv, &[r#"{"Key__c":"12E5","Other__c":"true"}"#]).await
    {
        let read = read.unwrap_or_else(|error| panic!("{way}: {error}"));
        assert_eq!((&read[0]["Key__c"], &read[0]["Other__c"]), (&text("12E5"), &text("true")), "{way}");
    }
    for (way, read) in each_way::<Flat<BTreeMap<String, Number>>>(
        "Name,Key__c\nA,12E5\n",
        &[r#"{"Name":"A","Key__c":"12E5"}"#],
    )
    .await
    {
        let read = read.unwrap_or_else(|error| panic!("{way}: {error}"));
        assert_eq!(read[0].rest["Key__c"], text("12E5"), "{way}");
    }
    for (way, read) in each_way::<Flat<Option<BTreeMap<String, f64>>>>(
        "Name,Key__c\nA,12E5\n",
        &[r#"{"Name":"A","Key__c":12E5}"#],
    )
    .await
    {
        let read = read.unwrap_or_else(|error| panic!("{way}: {error}"));
        assert_eq!(read[0].rest.as_ref().unwrap()["Key__c"], 1.2e6, "{way}");
    }
}

/// X-12: a float that one variant rejects and another one takes stays a float, whatever the other fields need.
#[tokio::test]
async fn a_whole_number_is_read_into_an_enum_as_its_variants_say() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Exact {
        Whole(i64),
        Fraction(f64),
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Both {
        #[serde(rename = "Rate__c")]
        rate: Exact,
        #[serde(rename = "Seats__c")]
        seats: i64,
    }
    for text in [r#"{"Rate__c":5.0,"Seats__c":7.0,"Name":"A"}"#, r#"{"Rate__c":5.0,"Seats__c":7,"Name":"A"}"#]
    {
        for (way, read) in
            each_way::<Both>("Name\nA\n", &[text]).await.into_iter().filter(|(way, _)| *way != "job")
        {
            assert_eq!(read.unwrap()[0], Both { rate: Exact::Fraction(5.0), seats: 7 }, "{way}");
        }
        for (way, read) in
            each_way::<Flat<Both>>("Name\nA\n", &[text]).await.into_iter().filter(|(way, _)| *way != "job")
        {
            assert_eq!(read.unwrap()[0].rest, Both { rate: Exact::Fraction(5.0), seats: 7 }, "{way}");
        }
    }
    // A fraction is no integer.
    for (way, read) in
        each_way::<Plain>("Key__c,Seats__c\na,5.5\n", &[r#"{"Key__c":"a","Seats__c":5.5}"#]).await
    {
        assert!(read.is_err(), "{way}: {read:?}");
    }
}

/// The row itself is an enum: its parents are there, its names are compared.
#[tokio::test]
async fn an_enum_as_a_row_has_its_parents_in_each_way_to_read() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Owner {
        name: String,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Owned {
            #[serde(rename = "Type")]
            kind: String,
            #[serde(rename = "Seats__c")]
            seats: i64,
            #[serde(rename = "Owner")]
            owner: Option<Owner>,
        },
    }
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(tag = "Type")]
    enum Tagged {
        Customer {
            #[serde(rename = "Seats__c")]
            seats: i64,
            #[serde(rename = "Owner")]
            owner: Option<Owner>,
        },
    }
    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    enum Lower {
        Owned {
            #[serde(rename = "seats__c")]
            _seats: Option<i64>,
        },
    }
    let csv = "Type,Seats__c,Owner.Name\nCustomer,5.0,Ada\nCustomer,6,\n";
    let rows = [
        r#"{"Type":"Customer","Seats__c":5.0,"Owner":{"Name":"Ada"}}"#,
        r#"{"Type":"Customer","Seats__c":6.0,"Owner":null}"#,
    ];
    let ada = || Some(Owner { name: "Ada".to_owned() });
    for (way, read) in each_way::<Untagged>(csv, &rows).await {
        let read = read.unwrap_or_else(|error| panic!("{way}: {error}"));
        assert_eq!(read[0], Untagged::Owned { kind: "Customer".to_owned(), seats: 5, owner: ada() }, "{way}");
        let second = Untagged::Owned { kind: "Customer".to_owned(), seats: 6, owner: None };
        assert!(read.get(1).is_none_or(|row| *row == second), "{way}: {read:?}");
    }
    for (way, read) in each_way::<Tagged>(csv, &rows).await {
        let read = read.unwrap_or_else(|error| panic!("{way}: {error}"));
        assert_eq!(read[0], Tagged::Customer { seats: 5, owner: ada() }, "{way}");
        assert!(
            read.get(1).is_none_or(|row| *row == Tagged::Customer { seats: 6, owner: None }),
            "{way}: {read:?}"
        );
    }
    assert_named::<Lower>(csv, &rows, "seats__c").await;
}
