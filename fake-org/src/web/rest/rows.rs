//! `/sobjects/X` and `/sobjects/X/ID`.

use axum::Extension;
use axum::extract::Path;
use axum::http::HeaderValue;
use axum::http::header::LOCATION;
use serde_json::{Value, json};

use super::body::record;
use super::guard::Caller;
use super::query::blocking;
use crate::data::schema::{self, Field, Object};
use crate::data::{DataError, Inner, Refusal, Writer};
use crate::web::call::Call;
use crate::web::reply::{self, Reply};

/// The object of a path. An unknown one is an unknown resource.
pub(super) fn object(name: &str) -> Result<&'static Object, Refusal> {
    schema::object(name).ok_or_else(Refusal::not_found)
}

pub(super) async fn create(
    Extension(caller): Extension<Caller>,
    Path((_, name)): Path<(String, String)>,
    call: Call,
) -> Reply {
    blocking(move || {
        let object = object(&name)?;
        let record = record(&call)?;
        let by = Writer { user_id: &caller.user.id, now: call.org.clock.now() };
        let id = call.org.data.with(|data| data.create(object, &record, by))?;
        Ok(created(&caller, object, &id, &json!({ "id": id, "success": true, "errors": [] })))
    })
    .await
}

/// 201 with the record's place.
pub(super) fn created(caller: &Caller, object: &Object, id: &str, body: &Value) -> Reply {
    let mut reply = reply::json(201, body);
    if let Ok(place) = HeaderValue::from_str(&caller.record_path(object.name, id)) {
        reply.headers_mut().insert(LOCATION, place);
    }
    reply
}

pub(super) async fn retrieve(
    Extension(caller): Extension<Caller>,
    Path((_, name, id)): Path<(String, String, String)>,
    call: Call,
) -> Reply {
    blocking(move || {
        let object = object(&name)?;
        let fields = wanted(object, call.query_param("fields"))?;
        call.org.data.with(|data| show(&caller, data, object, &id, &fields))
    })
    .await
}

/// The record with `attributes`.
pub(super) fn show(
    caller: &Caller,
    data: &Inner,
    object: &Object,
    id: &str,
    fields: &[&Field],
) -> Result<Reply, DataError> {
    let mut with_id = fields.to_vec();
    if let Some(field) = object.field("Id").filter(|_| !fields.iter().any(|field| field.name == "Id")) {
        with_id.push(field);
    }
    let mut record = data.record(object, id, &with_id)?;
    let id = record.get("Id").and_then(Value::as_str).unwrap_or(id).to_owned();
    record.insert(
        "attributes".into(),
        json!({ "type": object.name, "url": caller.record_path(object.name, &id) }),
    );
    Ok(reply::json(200, &Value::Object(record)))
}

/// `fields=A,B`; all without it.
pub(super) fn wanted(object: &'static Object, list: Option<&str>) -> Result<Vec<&'static Field>, Refusal> {
    let Some(list) = list else { return Ok(object.fields.iter().collect()) };
    list.split(',')
        .map(str::trim)
        .map(|name| {
            object.field(name).ok_or_else(|| {
                Refusal::bad(
                    "INVALID_FIELD",
                    format!("No such column '{name}' on sobject of type {}", object.name),
                )
            })
        })
        .collect()
}

pub(super) async fn update(
    Extension(caller): Extension<Caller>,
    Path((_, name, id)): Path<(String, String, String)>,
    call: Call,
) -> Reply {
    blocking(move || {
        let object = object(&name)?;
        let record = record(&call)?;
        let by = Writer { user_id: &caller.user.id, now: call.org.clock.now() };
        call.org.data.with(|data| data.update(object, &id, &record, by))?;
        Ok(reply::empty(204))
    })
    .await
}

/// `POST …?_HttpMethod=PATCH`, for clients without PATCH.
pub(super) async fn tunnelled(
    caller: Extension<Caller>,
    path: Path<(String, String, String)>,
    call: Call,
) -> Reply {
    if is_patch(&call) {
        return update(caller, path, call).await;
    }
    super::not_allowed(&call.method, "GET,HEAD,PATCH,DELETE")
}

pub(super) fn is_patch(call: &Call) -> bool {
    call.query_param("_HttpMethod").is_some_and(|method| method.eq_ignore_ascii_case("PATCH"))
}

pub(super) async fn delete(
    Extension(caller): Extension<Caller>,
    Path((_, name, id)): Path<(String, String, String)>,
    call: Call,
) -> Reply {
    blocking(move || {
        let object = object(&name)?;
        let by = Writer { user_id: &caller.user.id, now: call.org.clock.now() };
        call.org.data.with(|data| data.delete(object, &id, by))?;
        Ok(reply::empty(204))
    })
    .await
}
