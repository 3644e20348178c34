//! Structs, which the reader reads by shorter ways than JSON, against `apache-avro`.

use apache_avro::types::Value as Avro;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{FieldState, Schema, from_bytes};

/// Fields of the types that have a shorter way, some of them at other places than the schema's, and one that it lacks.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Typed {
    #[serde(alias = "flag_of_old")]
    flag: Option<bool>,
    text: Option<String>,
    number: Option<f64>,
    #[serde(rename = "long")]
    integer: Option<i64>,
    #[serde(default)]
    missing: Option<String>,
    nested: Option<Nested>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Nested {
    text: Option<String>,
    texts: Vec<Option<String>>,
}

/// How a field's type stands in its schema.
#[derive(Debug, Clone, Copy)]
enum Form {
    Plain,
    NullFirst,
    NullLast,
    Three,
}

impl Form {
    fn schema(self, of: &Value) -> Value {
        match self {
            Self::Plain => of.clone(),
            Self::NullFirst => json!(["null", of]),
            Self::NullLast => json!([of, "null"]),
            Self::Three => json!(["null", {"type": "array", "items": "int"}, of]),
        }
    }

    /// Without a null in the schema, the value stands for it.
    fn value(self, value: Avro, is_null: bool) -> Avro {
        let union = |branch, value| Avro::Union(branch, Box::new(value));
        match (self, is_null) {
            (Self::Plain, _) => value,
            (Self::NullFirst | Self::Three, true) => union(0, Avro::Null),
            (Self::NullLast, true) => union(1, Avro::Null),
            (Self::NullFirst, false) => union(1, value),
            (Self::NullLast, false) => union(0, value),
            (Self::Three, false) => union(2, value),
        }
    }

    /// The value as `apache-avro` wants it for an `Option`: always in a union.
    fn oracle(self, value: Avro, is_null: bool) -> Avro {
        match self {
            Self::Plain => Avro::Union(1, Box::new(value)),
            _ => self.value(value, is_null),
        }
    }
}

fn forms() -> impl Strategy<Value = (Form, bool)> {
    let form = prop_oneof![Just(Form::Plain), Just(Form::NullFirst), Just(Form::NullLast), Just(Form::Three)];
    (form, any::<bool>())
}

prop_compose! {
    /// A schema in any order of its fields, with one that the struct does not have, and a value of it.
    fn records()(
        forms in proptest::collection::vec(forms(), 7),
        texts in proptest::collection::vec(".{0,40}", 3),
        flag in any::<bool>(),
        number in proptest::num::f64::NORMAL,
        integer in any::<i64>(),
        order in Just((0..6).collect::<Vec<usize>>()).prop_shuffle(),
        is_old in any::<bool>(),
    ) -> (Value, Avro, Avro) {
        let text = |n: usize| Avro::String(texts[n].clone());
        let (inner, inner_null) = forms[6];
        let items = Form::NullFirst.schema(&json!("string"));
        let nested_schema = json!({"type": "record", "name": "N", "fields": [
            {"name": "text", "type": inner.schema(&json!("string"))},
            {"name": "texts", "type": {"type": "array", "items": items}},
        ]});
        let items = vec![Form::NullFirst.value(text(1), false), Form::NullFirst.value(text(1), true)];
        let nested = |inner| Avro::Record(vec![("text".to_owned(), inner), ("texts".to_owned(), Avro::Array(items.clone()))]);
        let nested_oracle = nested(inner.oracle(text(2), inner_null));
        let nested = nested(inner.value(text(2), inner_null));
        let fields = [
            (if is_old { "flag_of_old" } else { "flag" }, json!("boolean"), Avro::Boolean(flag)),
            ("text", json!("string"), text(0)),
            ("number", json!("double"), Avro::Double(number)),
            ("long", json!("long"), Avro::Long(integer)),
            ("unknown", json!("string"), text(1)),
            ("nested", nested_schema, nested),
        ];
        let fields = order.iter().map(|n| (&fields[*n], forms[*n]));
        let (mut schemas, mut values, mut oracle) = (vec![], vec![], vec![]);
        for ((name, of, value), (form, is_null)) in fields {
            schemas.push(json!({"name": name, "type": form.schema(of)}));
            values.push(((*name).to_owned(), form.value(value.clone(), is_null)));
            let value = if *name == "nested" { &nested_oracle } else { value };
            oracle.push(((*name).to_owned(), form.oracle(value.clone(), is_null)));
        }
        let schema = json!({"type": "record", "name": "E", "fields": schemas});
        (schema, Avro::Record(values), Avro::Record(oracle))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_struct_is_what_apache_avro_and_the_json_of_the_event_make_of_it((json, avro, oracle) in records(), cut in any::<proptest::sample::Index>()) {
        let theirs = apache_avro::Schema::parse(&json).unwrap();
        #[allow(deprecated)]
        let bytes = apache_avro::to_avro_datum(&theirs, avro).unwrap();
        let schema = Schema::parse(&json.to_string()).unwrap();
        let ours: Typed = from_bytes(&schema, &bytes, FieldState::COMPLETE).unwrap();
        prop_assert_eq!(&ours, &apache_avro::from_value::<Typed>(&oracle).unwrap());
        let tree: Value = from_bytes(&schema, &bytes, FieldState::COMPLETE).unwrap();
        prop_assert_eq!(&ours, &serde_json::from_value::<Typed>(tree).unwrap());
        let cut = cut.index(bytes.len());
        prop_assert!(from_bytes::<Typed>(&schema, &bytes[..cut], FieldState::COMPLETE).is_err());
    }

    /// Noise is an error of both ways, or the same value. The way through JSON differs in the types that it accepts only.
    #[test]
    fn noise_is_read_into_a_struct_as_into_json((json, _, _) in records(), noise in proptest::collection::vec(0_u8..6, 0..40)) {
        let schema = Schema::parse(&json.to_string()).unwrap();
        let ours = from_bytes::<Typed>(&schema, &noise, FieldState::COMPLETE);
        let tree = from_bytes::<Value>(&schema, &noise, FieldState::COMPLETE);
        if let Ok(tree) = &tree && let Ok(expected) = serde_json::from_value::<Typed>(tree.clone()) {
            // A JSON number cannot be NaN; noise of these bytes has none.
            prop_assert_eq!(ours.unwrap(), expected);
        } else {
            prop_assert!(ours.is_err());
        }
    }
}

#[test]
fn a_number_may_have_more_bytes_than_it_needs() {
    // The branch and the length of a text, each with a byte too many; the specification does not forbid it.
    let schema =
        json!({"type": "record", "name": "E", "fields": [{"name": "text", "type": ["null", "string"]}]});
    let schema = Schema::parse(&schema.to_string()).unwrap();
    #[derive(Debug, PartialEq, Deserialize)]
    struct E {
        text: Option<String>,
    }
    let read = |bytes| from_bytes::<E>(&schema, bytes, FieldState::COMPLETE);
    assert_eq!(read(b"\x82\x00\x82\x00a").unwrap(), E { text: Some("a".to_owned()) });
    assert_eq!(read(b"\x80\x00").unwrap(), E { text: None });
    for bytes in [&b"\x04"[..], b"\x01", b"\x82", b"", b"\x02\x02", b"\x02\x02\xff", b"\x80\x00\x00"] {
        assert!(read(bytes).is_err(), "{bytes:?}");
    }
}
