//! An event of 30 fields: ten texts, ten numbers, five flags and five times.

use std::time::UNIX_EPOCH;

use salesforce_fake_org::FieldSpec;
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub(crate) const NAME: &str = "Order_Event__e";
pub(crate) const TOPIC: &str = "/event/Order_Event__e";
/// Returns the milliseconds since 1970.
pub(crate) fn now() -> i64 {
    i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
}

macro_rules! order {
    ($($field:ident: $kind:ty = $name:literal,)*) => {
        /// The event as a program reads it.
        #[derive(Debug, Deserialize)]
        pub(crate) struct Order {
            $(#[serde(rename = $name)] pub(crate) $field: Option<$kind>,)*
        }

        /// The fields by name, with the type that they have in Rust.
        pub(crate) const FIELDS: &[(&str, &str)] = &[$(($name, stringify!($kind))),*];
    };
}

order! {
    text0: String = "Text0__c",
    text1: String = "Text1__c",
    text2: String = "Text2__c",
    text3: String = "Text3__c",
    text4: String = "Text4__c",
    text5: String = "Text5__c",
    text6: String = "Text6__c",
    text7: String = "Text7__c",
    text8: String = "Text8__c",
    text9: String = "Text9__c",
    number0: f64 = "Number0__c",
    number1: f64 = "Number1__c",
    number2: f64 = "Number2__c",
    number3: f64 = "Number3__c",
    number4: f64 = "Number4__c",
    number5: f64 = "Number5__c",
    number6: f64 = "Number6__c",
    number7: f64 = "Number7__c",
    number8: f64 = "Number8__c",
    number9: f64 = "Number9__c",
    flag0: bool = "Flag0__c",
    flag1: bool = "Flag1__c",
    flag2: bool = "Flag2__c",
    flag3: bool = "Flag3__c",
    flag4: bool = "Flag4__c",
    time0: i64 = "Time0__c",
    time1: i64 = "Time1__c",
    time2: i64 = "Time2__c",
    time3: i64 = "Time3__c",
    time4: i64 = "Time4__c",
}

pub(crate) fn specs() -> Vec<FieldSpec> {
    let of_org = |kind| match kind {
        "String" => "string",
        "f64" => "double",
        "bool" => "boolean",
        _ => "datetime",
    };
    FIELDS.iter().map(|(name, kind)| FieldSpec::new(name, of_org(*kind))).collect()
}

/// The data of one event, whose times are now.
pub(crate) fn data(number: u32) -> Map<String, Value> {
    let now = now();
    let value = |kind: &str| match kind {
        "String" => json!(format!("A text of the order {number}")),
        "f64" => json!(f64::from(number) * 1.25),
        "bool" => json!(number.is_multiple_of(2)),
        _ => json!(now),
    };
    FIELDS.iter().map(|(name, kind)| ((*name).to_owned(), value(kind))).collect()
}
