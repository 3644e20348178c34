//! `/sobjects/X/ExternalIdField/Value`: read, upsert, delete by external id.

use axum::Extension;
use axum::extract::Path;
use serde_json::{Value, json};

use super::body::record;
use super::guard::Caller;
use super::query::blocking;
use super::rows::{created, is_patch, object, show, wanted};
use crate::data::schema::{Field, Object};
use crate::data::{DataError, Inner, Refusal, Writer};
use crate::web::call::Call;
use crate::web::reply::{self, Reply};

type Place = Path<(String, String, String, String)>;

/// What the last part of the path names.
enum Match {
    None,
    One(String),
    /// Several records: 300 and their paths, not an error array.
    Many(Vec<String>),
}

fn key(object: &'static Object, name: &str) -> Result<&'static Field, Refusal> {
    object
        .field(name)
        .filter(|field| field.external_id || field.name == "Id")
        .ok_or_else(|| Refusal::no_external_id(name))
}

fn find(data: &Inner, object: &Object, field: &Field, value: &str) -> Result<Match, DataError> {
    if field.name == "Id" {
        data.record(object, value, &[])?;
        return Ok(Match::One(value.to_owned()));
    }
    let mut ids = data.ids_by_key(object, field, value)?;
    Ok(match ids.len() {
        0 => Match::None,
        1 => ids.pop().map_or(Match::None, Match::One),
        _ => Match::Many(ids),
    })
}

fn choices(caller: &Caller, object: &Object, ids: &[String]) -> Reply {
    let paths: Vec<Value> = ids.iter().map(|id| json!(caller.record_path(object.name, id))).collect();
    reply::json(300, &Value::Array(paths))
}

pub(super) async fn retrieve(
    Extension(caller): Extension<Caller>,
    Path((_, name, field, value)): Place,
    call: Call,
) -> Reply {
    blocking(move || {
        let object = object(&name)?;
        let field = key(object, &field)?;
        let fields = wanted(object, call.query_param("fields"))?;
        call.org.data.with(|data| match find(data, object, field, &value)? {
            Match::None => Err(Refusal::not_found().into()),
            Match::One(id) => show(&caller, data, object, &id, &fields),
            Match::Many(ids) => Ok(choices(&caller, object, &ids)),
        })
    })
    .await
}

pub(super) async fn upsert(
    Extension(caller): Extension<Caller>,
    Path((_, name, field, value)): Place,
    call: Call,
) -> Reply {
    blocking(move || {
        let object = object(&name)?;
        let field = key(object, &field)?;
        let mut record = record(&call)?;
        if record.keys().any(|key| key.eq_ignore_ascii_case(field.name)) {
            return Err(Refusal::bad(
                "INVALID_FIELD",
                format!("The {} field should not be specified in the sobject data.", field.name),
            )
            .into());
        }
        let update_only = call.query_param("updateOnly") == Some("true");
        let by = Writer { user_id: &caller.user.id, now: call.org.clock.now() };
        call.org.data.with(|data| match find(data, object, field, &value)? {
            Match::Many(ids) => Ok(choices(&caller, object, &ids)),
            Match::None if update_only => Err(Refusal::not_found().into()),
            Match::None => {
                record.insert(field.name.to_owned(), json!(value));
                let id = data.create(object, &record, by)?;
                let body = json!({ "id": id, "success": true, "errors": [], "created": true });
                Ok(created(&caller, object, &id, &body))
            }
            Match::One(id) => {
                data.update(object, &id, &record, by)?;
                Ok(updated(&caller, &id))
            }
        })
    })
    .await
}

/// 200 with a body from version 46.0, before that 204.
fn updated(caller: &Caller, id: &str) -> Reply {
    if caller.version < 46 {
        return reply::empty(204);
    }
    reply::json(200, &json!({ "id": id, "success": true, "errors": [], "created": false }))
}

pub(super) async fn delete(
    Extension(caller): Extension<Caller>,
    Path((_, name, field, value)): Place,
    call: Call,
) -> Reply {
    blocking(move || {
        let object = object(&name)?;
        let field = key(object, &field)?;
        let by = Writer { user_id: &caller.user.id, now: call.org.clock.now() };
        call.org.data.with(|data| match find(data, object, field, &value)? {
            Match::None => Err(Refusal::not_found().into()),
            Match::Many(ids) => Ok(choices(&caller, object, &ids)),
            Match::One(id) => {
                data.delete(object, &id, by)?;
                Ok(reply::empty(204))
            }
        })
    })
    .await
}

pub(super) async fn tunnelled(caller: Extension<Caller>, place: Place, call: Call) -> Reply {
    if is_patch(&call) {
        return upsert(caller, place, call).await;
    }
    super::not_allowed(&call.method, "GET,HEAD,PATCH,DELETE")
}
