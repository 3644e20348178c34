//! Responses compared with the samples of the protocol page: the same members, each of the same type.

use serde_json::Value;

/// Panics unless `actual` has exactly the members of `sample`, each of the sample's type. A null in the sample
/// stands for any type; an array's items all have the shape of the sample's first one.
#[track_caller]
pub fn same_shape(actual: &Value, sample: &Value) {
    let mut differences = Vec::new();
    compare(actual, sample, "$", &mut differences);
    assert!(differences.is_empty(), "{}\nresponse: {actual:#}", differences.join("\n"));
}

fn compare(actual: &Value, sample: &Value, at: &str, out: &mut Vec<String>) {
    match (actual, sample) {
        (_, Value::Null)
        | (Value::String(_), Value::String(_))
        | (Value::Number(_), Value::Number(_))
        | (Value::Bool(_), Value::Bool(_)) => {}
        (Value::Array(items), Value::Array(samples)) => {
            if let Some(sample) = samples.first() {
                if items.is_empty() {
                    out.push(format!("{at} is empty"));
                }
                for (i, item) in items.iter().enumerate() {
                    compare(item, sample, &format!("{at}[{i}]"), out);
                }
            }
        }
        (Value::Object(members), Value::Object(samples)) => {
            for name in samples.keys().filter(|name| !members.contains_key(*name)) {
                out.push(format!("{at}.{name} is missing"));
            }
            for (name, value) in members {
                match samples.get(name) {
                    Some(sample) => compare(value, sample, &format!("{at}.{name}"), out),
                    None => out.push(format!("{at}.{name} is not in the sample")),
                }
            }
        }
        _ => out.push(format!("{at} is {actual}, the sample has {sample}")),
    }
}
