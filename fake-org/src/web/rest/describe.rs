//! Describe global and describe sObject, made from the same schema as everything else.

use serde_json::{Value, json};

use super::conditional::http_date;
use super::recent::last_written;
use super::records::object;
use super::response::{Response, Result};
use super::rest_request::RestRequest;
use super::ui;
use crate::data::schema::{Field, Kind, Object, Schema};
use crate::data::{ApiError, Inner};

pub(super) fn global(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    if let Some(unchanged) = unchanged(request) {
        return Ok(unchanged);
    }
    let sobjects: Vec<Value> = data.schema.objects().iter().map(|object| head(request, object)).collect();
    let body = json!({ "encoding": "UTF-8", "maxBatchSize": 200, "sobjects": sobjects });
    Ok(Response::json(200, body).with("last-modified", http_date(request.org.started)))
}

/// The path without the Tooling API's own part, which describes the same objects here.
fn name<'a>(request: &'a RestRequest<'_>) -> &'a str {
    request.part(if is_tooling(request) { 2 } else { 1 })
}

fn is_tooling(request: &RestRequest<'_>) -> bool {
    request.part(0) == "tooling"
}

pub(super) fn basic(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let object = object(data, name(request))?;
    let recent = last_written(request, data, Some(object), 10)?;
    Ok(Response::json(200, json!({ "objectDescribe": head(request, object), "recentItems": recent })))
}

pub(super) fn full(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let object = data.schema.described(name(request)).ok_or_else(ApiError::not_found)?;
    if let Some(unchanged) = unchanged(request) {
        return Ok(unchanged);
    }
    let mut body = head(request, object);
    add_details(request, object, &mut body);
    body["fields"] = object
        .fields
        .iter()
        .map(|one| {
            let mut described = field(&data.schema, object, one);
            ui::describe_dependency(request, object, one, &mut described);
            described
        })
        .collect();
    body["childRelationships"] = data
        .schema
        .children(object)
        .into_iter()
        .map(|(child, lookup)| {
            json!({
                "childSObject": child.name, "field": lookup.name, "relationshipName": lookup.children,
                "cascadeDelete": false, "deprecatedAndHidden": false, "restrictedDelete": false,
                "junctionIdListNames": [], "junctionReferenceTo": [],
            })
        })
        .collect();
    body["recordTypeInfos"] = ui::described_record_types(request, object);
    let plural = object.plural.to_lowercase();
    let mut scopes = vec![json!({ "label": format!("All {plural}"), "name": "everything" })];
    if object.field("OwnerId").is_some() {
        scopes.push(json!({ "label": format!("My {plural}"), "name": "mine" }));
    }
    body["supportedScopes"] = scopes.into();
    Ok(Response::json(200, body).with("last-modified", http_date(request.org.started)))
}

/// Names what it does not do: a test must not take the missing Apex for a passing run.
pub(super) fn execute_anonymous(_: &RestRequest<'_>, _: &mut Inner) -> Result {
    Ok(Response::error(
        501,
        "NOT_EMULATED",
        "fake org: executeAnonymous is not emulated: there is no Apex here",
    ))
}

/// Objects do not change while the org runs.
fn unchanged(request: &RestRequest<'_>) -> Option<Response> {
    let since = httpdate::parse_http_date(request.header("if-modified-since")?).ok()?;
    let since = since.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs();
    (u64::try_from(request.org.started / 1_000).unwrap_or(0) <= since).then(|| Response::empty(304))
}

/// What both describes say of an object.
fn head(request: &RestRequest<'_>, object: &Object) -> Value {
    let api = if is_tooling(request) { "/tooling" } else { "" };
    let place = format!("{}{api}/sobjects/{}", request.root(), object.name);
    let writable = !object.read_only;
    json!({
        "activateable": false, "associateEntityType": null, "associateParentEntity": null, "createable": writable, "custom": object.is_custom(), "customSetting": false,
        "deepCloneable": false, "deletable": writable && object.name != "User", "deprecatedAndHidden": false,
        "feedEnabled": false, "hasSubtypes": false, "isInterface": false, "isSubtype": false,
        "keyPrefix": (!object.prefix.is_empty()).then_some(object.prefix), "label": object.label, "labelPlural": object.plural, "layoutable": writable,
        "mergeable": false, "mruEnabled": writable, "name": object.name, "queryable": !object.prefix.is_empty(),
        "replicateable": true, "retrieveable": !object.prefix.is_empty(), "searchable": writable, "triggerable": writable,
        "undeletable": writable, "updateable": writable,
        "urls": urls(object, &place),
    })
}

/// The paths of an object; some are of resources that this org does not have, as a describe names them all the same.
fn urls(object: &Object, place: &str) -> Value {
    let mut urls = json!({
        "sobject": place, "describe": format!("{place}/describe"), "rowTemplate": format!("{place}/{{ID}}"),
    });
    if !object.read_only {
        for (name, path) in [
            ("approvalLayouts", "describe/approvalLayouts"),
            ("compactLayouts", "describe/compactLayouts"),
            ("layouts", "describe/layouts"),
            ("listviews", "listviews"),
            ("quickActions", "quickActions"),
        ] {
            urls[name] = format!("{place}/{path}").into();
        }
    }
    urls
}

/// What only the whole describe of an object says. Members and values: recorded describes of version 61.0.
fn add_details(request: &RestRequest<'_>, object: &Object, body: &mut Value) {
    let writable = !object.read_only;
    for (name, value) in [
        ("actionOverrides", json!([])),
        ("compactLayoutable", json!(writable)),
        ("defaultImplementation", Value::Null),
        ("extendedBy", Value::Null),
        ("extendsInterfaces", Value::Null),
        ("implementedBy", Value::Null),
        ("implementsInterfaces", Value::Null),
        ("listviewable", Value::Null),
        ("lookupLayoutable", Value::Null),
        ("namedLayoutInfos", json!([])),
        ("networkScopeFieldName", Value::Null),
        ("searchLayoutable", json!(writable)),
        ("sobjectDescribeOption", json!("FULL")),
    ] {
        body[name] = value;
    }
    if writable && !is_tooling(request) {
        let page = request.org.instance_url();
        for (name, path) in [
            ("uiDetailTemplate", "/{ID}".to_owned()),
            ("uiEditTemplate", "/{ID}/e".to_owned()),
            ("uiNewRecord", format!("/{}/e", object.prefix)),
        ] {
            body["urls"][name] = format!("{page}{path}").into();
        }
    }
}

fn field(schema: &Schema, object: &Object, field: &Field) -> Value {
    let (soap, length) = soap_type(field.kind);
    let text = field.kind.is_text();
    let writable = !field.read_only && !object.read_only;
    let (reference_to, relationship) = match field.kind {
        Kind::Reference(to, name) => {
            (to.iter().filter_map(|to| schema.object(to)).map(|to| to.name).collect(), Some(name))
        }
        _ => (Vec::new(), None),
    };
    let values: Vec<Value> = field
        .values
        .iter()
        .map(|value| {
            json!({ "active": true, "defaultValue": *value == field.default, "label": value, "validFor": null, "value": value })
        })
        .collect();
    let long = field.kind.is_long();
    let mut described = json!({
        "aggregatable": !long && !matches!(field.kind, Kind::Boolean | Kind::MultiPicklist), "autoNumber": field.name == "CaseNumber", "byteLength": if text { length * 3 } else { length },
        "calculated": false, "cascadeDelete": false, "caseSensitive": false,
        "createable": writable, "custom": field.is_custom(),
        "defaultValue": if field.kind == Kind::Boolean { json!(false) } else { Value::Null },
        "defaultedOnCreate": field.kind == Kind::Boolean || !field.default.is_empty() || field.read_only,
        "dependentPicklist": false, "deprecatedAndHidden": false,
        "digits": if field.kind == Kind::Int { 8 } else { 0 },
        "externalId": field.external_id, "filterable": !long, "groupable": field.kind.is_groupable(),
        "htmlFormatted": false, "idLookup": field.external_id || field.name == "Id",
        "inlineHelpText": null, "label": field.label, "length": if text || field.kind.is_id() { length } else { 0 },
        "name": field.name, "nameField": field.name == object.name_field, "namePointing": field.kind.is_polymorphic(),
        "nillable": !field.required && !matches!(field.kind, Kind::Boolean | Kind::Id) && !field.read_only,
        "permissionable": !field.required && !field.read_only, "picklistValues": values,
        "polymorphicForeignKey": field.kind.is_polymorphic(), "precision": if matches!(field.kind, Kind::Double | Kind::Currency) { 18 } else { 0 },
        "queryByDistance": false, "referenceTo": reference_to, "relationshipName": relationship,
        "restrictedPicklist": field.restricted, "scale": if field.kind == Kind::Currency { 2 } else { 0 },
        "soapType": soap, "sortable": field.kind.is_sortable(), "type": field.kind.name(), "unique": field.unique,
        "updateable": writable, "writeRequiresMasterRead": false,
    });
    let is_free_text = matches!(field.kind, Kind::TextArea(length) if length <= 255);
    // Members and values: recorded describes of version 61.0.
    for (name, value) in [
        ("aiPredictionField", json!(false)),
        ("calculatedFormula", Value::Null),
        ("compoundFieldName", Value::Null),
        ("controllerName", Value::Null),
        ("defaultValueFormula", Value::Null),
        ("displayLocationInDecimal", json!(false)),
        ("encrypted", json!(false)),
        ("extraTypeInfo", json!(is_free_text.then_some("plaintextarea"))),
        ("filteredLookupInfo", Value::Null),
        ("formulaTreatNullNumberAsZero", json!(false)),
        ("highScaleNumber", json!(false)),
        ("mask", Value::Null),
        ("maskType", Value::Null),
        ("referenceTargetField", Value::Null),
        ("relationshipOrder", Value::Null),
        ("restrictedDelete", json!(false)),
        ("searchPrefilterable", json!(matches!(field.kind, Kind::Reference(..)))),
    ] {
        described[name] = value;
    }
    described
}

fn soap_type(kind: Kind) -> (&'static str, usize) {
    match kind {
        Kind::Id | Kind::Reference(..) => ("tns:ID", 18),
        Kind::Text(length) | Kind::TextArea(length) => ("xsd:string", length),
        Kind::Email => ("xsd:string", 80),
        Kind::Phone => ("xsd:string", 40),
        Kind::MultiPicklist => ("xsd:string", 4_099),
        Kind::Url | Kind::Picklist => ("xsd:string", 255),
        Kind::Boolean => ("xsd:boolean", 0),
        Kind::Int => ("xsd:int", 0),
        Kind::Double | Kind::Currency => ("xsd:double", 0),
        Kind::Date => ("xsd:date", 0),
        Kind::DateTime => ("xsd:dateTime", 0),
        Kind::Time => ("xsd:time", 0),
        Kind::Base64 => ("xsd:base64Binary", 0),
    }
}
