//! The reader and the writer, against `apache-avro` and against hostile bytes.

use apache_avro::types::Value as Avro;
use proptest::{collection::vec, prelude::*, sample::Index};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{FieldState, InvalidSchema, Schema, error::Reason, from_bytes, to_bytes};
use crate::soql::{SoqlDate, SoqlDateTime, SoqlTime};

fn read<'de, T: Deserialize<'de>>(schema: &Value, bytes: &'de [u8]) -> Result<T, super::AvroError> {
    from_bytes(&Schema::parse(&schema.to_string()).unwrap(), bytes, FieldState::COMPLETE)
}

/// A type of a generated schema.
#[derive(Debug, Clone)]
enum Of {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Fixed(usize),
    Enum(usize),
    Array(Box<Of>),
    Map(Box<Of>),
    /// Null first, as in all of Salesforce's schemas; then one or two other branches.
    Union(Vec<Of>),
    Record(Vec<Of>),
    /// A record with two fields of one named record: the second is written by its name alone.
    Twice(Vec<Of>),
}

fn types() -> impl Strategy<Value = Of> {
    let leaf = prop_oneof![
        Just(Of::Null),
        Just(Of::Boolean),
        Just(Of::Int),
        Just(Of::Long),
        Just(Of::Float),
        Just(Of::Double),
        Just(Of::Bytes),
        Just(Of::String),
        (0..5_usize).prop_map(Of::Fixed),
        (1..5_usize).prop_map(Of::Enum),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let is_in_union = |of: &Of| !matches!(of, Of::Null | Of::Union(_));
        prop_oneof![
            inner.clone().prop_map(|of| Of::Array(Box::new(of))),
            inner.clone().prop_map(|of| Of::Map(Box::new(of))),
            inner
                .clone()
                .prop_filter("no union in a union", is_in_union)
                .prop_map(|of| Of::Union(vec![Of::Null, of])),
            vec(inner.clone(), 0..3).prop_map(|of| Of::Union(vec![Of::Null, Of::String, Of::Record(of)])),
            vec(inner.clone(), 0..6).prop_map(Of::Record),
            vec(inner, 0..4).prop_map(Of::Twice),
        ]
    })
}

/// The JSON of a schema. Each named type gets the next number.
fn schema_of(of: &Of, names: &mut usize) -> Value {
    let mut name = || {
        *names += 1;
        format!("N{names}")
    };
    match of {
        Of::Null => json!("null"),
        Of::Boolean => json!("boolean"),
        Of::Int => json!("int"),
        Of::Long => json!("long"),
        Of::Float => json!("float"),
        Of::Double => json!("double"),
        Of::Bytes => json!("bytes"),
        Of::String => json!("string"),
        Of::Fixed(size) => json!({"type": "fixed", "name": name(), "size": size}),
        Of::Enum(size) => {
            let symbols: Vec<_> = (0..*size).map(|n| format!("S{n}")).collect();
            json!({"type": "enum", "name": name(), "symbols": symbols})
        }
        Of::Array(of) => json!({"type": "array", "items": schema_of(of, names)}),
        Of::Map(of) => json!({"type": "map", "values": schema_of(of, names)}),
        Of::Union(of) => of.iter().map(|of| schema_of(of, names)).collect(),
        Of::Record(of) => {
            let name = name();
            let fields: Vec<_> = of
                .iter()
                .enumerate()
                .map(|(n, of)| json!({"name": format!("f{n}"), "type": schema_of(of, names)}))
                .collect();
            json!({"type": "record", "name": name, "namespace": "com.sforce.eventbus", "fields": fields})
        }
        Of::Twice(of) => {
            let outer = name();
            let inner = schema_of(&Of::Record(of.clone()), names);
            let reference = inner["name"].clone();
            json!({"type": "record", "name": outer, "namespace": "com.sforce.eventbus", "fields": [
                {"name": "a", "type": inner}, {"name": "b", "type": reference},
            ]})
        }
    }
}

/// Values of a type, in the form of `apache-avro` and as the JSON that our reader makes of them.
fn values(of: Of) -> BoxedStrategy<(Avro, Value)> {
    let bytes_as_json = |bytes: &[u8]| json!(bytes);
    match of {
        Of::Null => Just((Avro::Null, Value::Null)).boxed(),
        Of::Boolean => any::<bool>().prop_map(|value| (Avro::Boolean(value), json!(value))).boxed(),
        Of::Int => any::<i32>().prop_map(|value| (Avro::Int(value), json!(value))).boxed(),
        Of::Long => any::<i64>().prop_map(|value| (Avro::Long(value), json!(value))).boxed(),
        Of::Float => {
            proptest::num::f32::NORMAL.prop_map(|value| (Avro::Float(value), json!(f64::from(value)))).boxed()
        }
        Of::Double => {
            proptest::num::f64::NORMAL.prop_map(|value| (Avro::Double(value), json!(value))).boxed()
        }
        Of::Bytes => vec(any::<u8>(), 0..9)
            .prop_map(move |value| (Avro::Bytes(value.clone()), bytes_as_json(&value)))
            .boxed(),
        Of::String => ".{0,9}".prop_map(|value| (Avro::String(value.clone()), json!(value))).boxed(),
        Of::Fixed(size) => vec(any::<u8>(), size)
            .prop_map(move |value| (Avro::Fixed(size, value.clone()), bytes_as_json(&value)))
            .boxed(),
        Of::Enum(size) => (0..size)
            .prop_map(|n| {
                let symbol = format!("S{n}");
                (Avro::Enum(u32::try_from(n).unwrap(), symbol.clone()), json!(symbol))
            })
            .boxed(),
        Of::Array(of) => vec(values(*of), 0..4)
            .prop_map(|items| {
                let (avro, json): (Vec<_>, Vec<_>) = items.into_iter().unzip();
                (Avro::Array(avro), Value::Array(json))
            })
            .boxed(),
        Of::Map(of) => proptest::collection::btree_map("[a-z]{1,3}", values(*of), 0..4)
            .prop_map(|entries| {
                let avro = entries.iter().map(|(name, (avro, _))| (name.clone(), avro.clone())).collect();
                let json = entries.into_iter().map(|(name, (_, json))| (name, json)).collect();
                (Avro::Map(avro), Value::Object(json))
            })
            .boxed(),
        Of::Union(of) => (0..of.len())
            .prop_flat_map(move |n| (Just(n), values(of[n].clone())))
            .prop_map(|(n, (avro, json))| (Avro::Union(u32::try_from(n).unwrap(), Box::new(avro)), json))
            .boxed(),
        Of::Record(of) => of
            .into_iter()
            .map(values)
            .collect::<Vec<_>>()
            .prop_map(|fields| {
                let avro = fields.iter().enumerate().map(|(n, (avro, _))| (format!("f{n}"), avro.clone()));
                let json = fields.iter().enumerate().map(|(n, (_, json))| (format!("f{n}"), json.clone()));
                (Avro::Record(avro.collect()), Value::Object(json.collect()))
            })
            .boxed(),
        Of::Twice(of) => (values(Of::Record(of.clone())), values(Of::Record(of)))
            .prop_map(|((a, json_a), (b, json_b))| {
                let avro = Avro::Record(vec![("a".to_owned(), a), ("b".to_owned(), b)]);
                (avro, json!({"a": json_a, "b": json_b}))
            })
            .boxed(),
    }
}

fn typed_values() -> impl Strategy<Value = (Of, (Avro, Value))> {
    vec(types(), 1..6).prop_map(Of::Record).prop_flat_map(|of| (Just(of.clone()), values(of)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn data_that_apache_avro_writes_is_read_alike((of, (avro, expected)) in typed_values()) {
        let schema = schema_of(&of, &mut 0);
        let oracle = apache_avro::Schema::parse(&schema).unwrap();
        #[allow(deprecated)]
        let bytes = apache_avro::to_avro_datum(&oracle, avro).unwrap();
        prop_assert_eq!(read::<Value>(&schema, &bytes).unwrap(), expected);
        // A reader that drops all fields ends at the same place.
        prop_assert!(read::<Empty>(&schema, &bytes).is_ok());
    }

    #[test]
    fn data_that_is_written_is_what_apache_avro_reads((of, (avro, json)) in typed_values()) {
        let schema = schema_of(&of, &mut 0);
        let ours = to_bytes(&Schema::parse(&schema.to_string()).unwrap(), &json).unwrap();
        let oracle = apache_avro::Schema::parse(&schema).unwrap();
        #[allow(deprecated)]
        let read = apache_avro::from_avro_datum(&oracle, &mut ours.as_slice(), None).unwrap();
        prop_assert_eq!(read, avro);
    }

    /// Any bytes, and true data with one byte changed or cut off: a value or an error, in time and memory of the input.
    #[test]
    fn hostile_data_is_an_error_and_never_a_panic(
        (of, (avro, _)) in typed_values(), noise in vec(any::<u8>(), 0..60), place in any::<Index>(), byte in any::<u8>()
    ) {
        let schema = schema_of(&of, &mut 0);
        let _ = read::<Value>(&schema, &noise);
        let oracle = apache_avro::Schema::parse(&schema).unwrap();
        #[allow(deprecated)]
        let mut bytes = apache_avro::to_avro_datum(&oracle, avro).unwrap();
        if !bytes.is_empty() {
            let place = place.index(bytes.len());
            let cut = read::<Value>(&schema, &bytes[..place]);
            prop_assert!(cut.is_err(), "cut data is an error");
            bytes[place] = byte;
            let _ = read::<Value>(&schema, &bytes);
        }
    }

    #[test]
    fn a_hostile_schema_is_an_error_and_never_a_panic(text in "[\\[\\]{}\":, a-z]{0,60}") {
        let _ = Schema::parse(&text);
    }
}

/// A type that takes no field.
#[derive(Deserialize)]
struct Empty {}

fn order_schema() -> Value {
    json!({"type": "record", "name": "Order_Event__e", "namespace": "com.sforce.eventbus", "fields": [
        {"name": "CreatedDate", "type": "long", "doc": "CreatedDate:DateTime"},
        {"name": "CreatedById", "type": "string", "doc": "CreatedBy:EntityId"},
        {"name": "Amount__c", "type": ["null", "double"], "doc": "Data:Double:00Nxx", "default": null},
        {"name": "Note__c", "type": ["null", "string"], "doc": "Data:Text:00Nxx", "default": null},
    ]})
}

/// Measured with another program.
const ORDER: &[u8] =
    b"\x80\xb0\x83\xc5\x98\x68\x24005x00000012Q9PAAU\x02\x00\x00\x00\x00\x00\x00\x29\x40\x00";

#[test]
fn a_captured_event_is_read_and_written_byte_for_byte() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Order {
        created_date: SoqlDateTime,
        created_by_id: String,
        #[serde(rename = "Amount__c")]
        amount: Option<f64>,
        #[serde(rename = "Note__c")]
        note: Option<String>,
    }
    let order: Order = read(&order_schema(), ORDER).unwrap();
    let created_date = "2026-09-21T14:13:20.000Z".parse().unwrap();
    let expected =
        Order { created_date, created_by_id: "005x00000012Q9PAAU".into(), amount: Some(12.5), note: None };
    assert_eq!(order, expected);

    let schema = Schema::parse(&order_schema().to_string()).unwrap();
    // The date as the REST API has it, or as a number; a member that is missing is null.
    for date in [json!(1_790_000_000_000_i64), json!("2026-09-21T14:13:20.000+0000")] {
        let value = json!({"CreatedById": "005x00000012Q9PAAU", "CreatedDate": date, "Amount__c": 12.5});
        assert_eq!(to_bytes(&schema, &value).unwrap(), ORDER);
    }
}

#[test]
fn dates_and_times_are_read_as_numbers_or_as_texts() {
    let schema = json!({"type": "record", "name": "E", "fields": [
        {"name": "day", "type": ["null", "long"], "doc": "Data:DateOnly:00N"},
        {"name": "moment", "type": ["null", "long"], "doc": "Data:DateTime:00N"},
        {"name": "time", "type": ["null", "long"], "doc": "Data:TimeOnly:00N"},
    ]});
    #[derive(Deserialize)]
    struct Texts {
        day: SoqlDate,
        moment: Option<String>,
        time: SoqlTime,
    }
    #[derive(Deserialize)]
    struct Numbers {
        day: i64,
        moment: Option<i64>,
        time: u32,
    }
    let value = json!({"day": "1969-12-31", "moment": "2026-01-31T09:30:00.000Z", "time": "09:30:00.000Z"});
    let bytes = to_bytes(&Schema::parse(&schema.to_string()).unwrap(), &value).unwrap();
    let texts: Texts = read(&schema, &bytes).unwrap();
    assert_eq!(
        (texts.day.to_string(), texts.time.to_string()),
        ("1969-12-31".into(), "09:30:00.000Z".into())
    );
    assert_eq!(texts.moment.as_deref(), Some("2026-01-31T09:30:00.000Z"));
    let numbers: Numbers = read(&schema, &bytes).unwrap();
    assert_eq!((numbers.day, numbers.time), (-86_400_000, 34_200_000));
    assert_eq!(numbers.moment, Some(1_769_851_800_000));
}

#[test]
fn an_error_names_the_field_and_not_its_value() {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Order {
        #[serde(rename = "CreatedById")]
        created_by: u32,
    }
    let error = read::<Order>(&order_schema(), ORDER).unwrap_err();
    assert_eq!(error.to_string(), "field `CreatedById`: a text does not fit: expected u32");

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    enum User {
        Admin,
    }
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Strict {
        #[serde(rename = "CreatedById")]
        created_by: User,
    }
    for error in [
        read::<Strict>(&order_schema(), ORDER).unwrap_err(),
        read::<Value>(&order_schema(), &ORDER[..20]).unwrap_err(),
        to_bytes(
            &Schema::parse(&order_schema().to_string()).unwrap(),
            &json!({"CreatedDate": 1, "CreatedById": 4_711, "Note__c": "x"}),
        )
        .unwrap_err(),
    ] {
        let text = format!("{error} {error:?}");
        assert!(text.contains("`CreatedById`") && !text.contains("005x") && !text.contains("4711"), "{text}");
    }
}

#[test]
fn lengths_are_checked_before_anything_is_allocated() {
    let array = |items: &str| json!({"type": "array", "items": items});
    for (schema, bytes, reason) in [
        // A text of 2^40 bytes, and one of a negative number of them.
        (json!("string"), &b"\x80\x80\x80\x80\x80\x40"[..], Reason::Length),
        (json!("string"), b"\x01", Reason::Length),
        // 2^62 nulls, which have no bytes.
        (array("null"), b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f", Reason::TooMany),
        (array("int"), b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f", Reason::UnexpectedEnd),
        // A block that says it is longer than the data.
        (array("int"), b"\x01\x80\x01\x00\x00", Reason::Length),
        (json!("long"), b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", Reason::Number),
        (json!("int"), b"\xff\xff\xff\xff\xff\xff\x01", Reason::Number),
        (json!("string"), b"\x02\xff", Reason::Utf8),
        (json!(["null", "int"]), b"\x04", Reason::Branch),
        (json!(["null", "int"]), b"\x00\x00", Reason::TrailingData),
        (json!("boolean"), b"\x02", Reason::Branch),
    ] {
        assert_eq!(*read::<Value>(&schema, bytes).unwrap_err().reason(), reason, "{schema} {bytes:?}");
        if reason != Reason::TrailingData {
            assert_eq!(
                *read::<serde::de::IgnoredAny>(&schema, bytes).unwrap_err().reason(),
                reason,
                "{schema}"
            );
        }
    }
}

/// A type that reads bytes as such.
struct Blob;

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BlobVisitor;
        impl serde::de::Visitor<'_> for BlobVisitor {
            type Value = Blob;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, _: &[u8]) -> Result<Blob, E> {
                Ok(Blob)
            }
        }
        deserializer.deserialize_bytes(BlobVisitor)
    }
}

#[test]
fn values_without_bytes_are_counted_however_they_are_read() {
    let schema = json!({"type": "array", "items": {"type": "fixed", "name": "N", "size": 0}});
    let long = Schema::parse("\"long\"").unwrap();
    let blocks = |count: i64| [to_bytes(&long, &json!(count)).unwrap(), vec![0]].concat();
    assert_eq!(read::<Vec<Blob>>(&schema, &blocks(1_000)).unwrap().len(), 1_000);
    let too_many = blocks(10_000);
    assert_eq!(*read::<Vec<Blob>>(&schema, &too_many).err().unwrap().reason(), Reason::TooMany);
    assert_eq!(*read::<Value>(&schema, &too_many).unwrap_err().reason(), Reason::TooMany);
}

#[test]
fn a_type_within_itself_ends_at_a_limit() {
    // A record without bytes that has itself, and a list that is as deep as its data is long.
    let endless = json!({"type": "record", "name": "A", "fields": [{"name": "a", "type": "A"}]});
    assert_eq!(*read::<Value>(&endless, b"").unwrap_err().reason(), Reason::TooDeep);
    let wide = json!({"type": "record", "name": "A", "fields": [{"name": "a", "type": "A"}, {"name": "b", "type": "A"}]});
    assert_eq!(*read::<Empty>(&wide, b"").err().unwrap().reason(), Reason::TooDeep);
    let list = json!({"type": "record", "name": "A", "fields": [{"name": "next", "type": ["null", "A"]}]});
    assert_eq!(*read::<Value>(&list, &[2; 1_000]).unwrap_err().reason(), Reason::TooDeep);
}

#[test]
fn an_invalid_schema_is_an_error() {
    for (text, error) in [
        ("", InvalidSchema::Json),
        ("7", InvalidSchema::Invalid("type")),
        ("\"Unknown\"", InvalidSchema::Name),
        (r#"{"type":"record","name":"A"}"#, InvalidSchema::Invalid("fields")),
        (r#"{"type":"array"}"#, InvalidSchema::Invalid("items")),
        (
            r#"["null",{"type":"fixed","name":"F","size":1},{"type":"fixed","name":"F","size":1}]"#,
            InvalidSchema::Name,
        ),
    ] {
        assert_eq!(Schema::parse(text).unwrap_err(), error, "{text}");
    }
    assert_eq!(Schema::parse(&" ".repeat(5_000_000)).unwrap_err(), InvalidSchema::TooLong);
    assert_eq!(Schema::parse(&"[".repeat(100_000)).unwrap_err(), InvalidSchema::Json);
}

#[test]
fn what_does_not_fit_a_schema_is_not_written() {
    let schema = Schema::parse(&order_schema().to_string()).unwrap();
    let valid = json!({"CreatedDate": 1, "CreatedById": "005x00000012Q9PAAU"});
    assert!(to_bytes(&schema, &valid).is_ok());
    for (name, value, expected) in [
        ("CreatedById", Value::Null, "field `CreatedById`: null does not fit: expected a text"),
        ("Amount__c", json!("12.5"), "field `Amount__c`: this text does not fit: expected a number"),
        ("Amuont__c", json!(12.5), "field `Amuont__c`: the schema has no such field"),
        (
            "CreatedDate",
            json!("yesterday"),
            "field `CreatedDate`: this text does not fit: expected an integer of 64 bits",
        ),
    ] {
        let mut event = valid.clone();
        event[name] = value;
        assert_eq!(to_bytes(&schema, &event).unwrap_err().to_string(), expected);
    }
    let missing = to_bytes(&schema, &json!({"CreatedDate": 1})).unwrap_err();
    assert_eq!(missing.to_string(), "field `CreatedById`: the field is missing");
}
