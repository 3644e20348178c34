//! `/ui-api`: what a form needs (User Interface API Developer Guide).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

use super::records::object;
use super::response::{Response, Result};
use super::rest_request::RestRequest;
use crate::data::schema::{Field, Kind, Object};
use crate::data::{ApiError, Inner, Record};
use crate::ui_specs::{DependentSpec, MASTER, RecordTypeSpec, record_type_id};

/// A record type of an object; `spec` is `None` for the master.
struct RecordType<'a> {
    id: String,
    name: &'a str,
    spec: Option<&'a RecordTypeSpec>,
    is_default: bool,
}

fn record_types<'a>(request: &'a RestRequest<'_>, object: &Object) -> Vec<RecordType<'a>> {
    let specs = request.org.declared.record_types.iter().enumerate();
    let declared: Vec<_> = specs.filter(|(_, spec)| spec.object.eq_ignore_ascii_case(object.name)).collect();
    let has_default = declared.iter().any(|(_, spec)| spec.default);
    let master = RecordType { id: MASTER.into(), name: "Master", spec: None, is_default: !has_default };
    let types = declared.into_iter().map(|(n, spec)| RecordType {
        id: record_type_id(n),
        name: &spec.name,
        spec: Some(spec),
        is_default: spec.default,
    });
    types.chain([master]).collect()
}

/// A new record with its record type: the one that it names, or the user's default.
pub(super) fn with_record_type(
    request: &RestRequest<'_>,
    object: &Object,
    mut record: Record,
) -> std::result::Result<Record, ApiError> {
    const FIELD: &str = "RecordTypeId";
    if object.field(FIELD).is_none() {
        return Ok(record);
    }
    let chosen = record.get(FIELD).and_then(Value::as_str).filter(|id| !id.is_empty());
    match record_type(request, object, chosen) {
        Ok(one) if one.spec.is_none_or(|spec| !spec.unavailable) => {
            record.insert(FIELD.into(), json!(one.id));
            Ok(record)
        }
        // The text is unverified.
        _ => Err(ApiError::new(
            400,
            "INVALID_CROSS_REFERENCE_KEY",
            "Record Type ID: this ID value isn't valid for the user",
        )),
    }
}

/// What a describe says of record types.
pub(super) fn described_record_types(request: &RestRequest<'_>, object: &Object) -> Value {
    let types = record_types(request, object);
    types
        .iter()
        .map(|one| {
            json!({
                "active": true, "available": one.spec.is_none_or(|spec| !spec.unavailable),
                "defaultRecordTypeMapping": one.is_default, "developerName": one.name.replace(' ', "_"),
                "master": one.spec.is_none(), "name": one.name, "recordTypeId": one.id, "urls": {},
            })
        })
        .collect()
}

/// The record type with that id; the default one without an id. Another object's is not found (unverified).
fn record_type<'a>(
    request: &'a RestRequest<'_>,
    object: &Object,
    id: Option<&str>,
) -> std::result::Result<RecordType<'a>, ApiError> {
    let mut types = record_types(request, object).into_iter();
    let found = match id {
        // 15 characters mean the same.
        Some(id) => types.find(|one| one.id == id || one.id.get(..15) == Some(id)),
        None => types.find(|one| one.is_default),
    };
    found.ok_or_else(ApiError::not_found)
}

fn dependency<'a>(request: &'a RestRequest<'_>, object: &Object, field: &Field) -> Option<&'a DependentSpec> {
    request.org.declared.dependent_picklists.iter().find(|spec| {
        spec.object.eq_ignore_ascii_case(object.name) && spec.field.eq_ignore_ascii_case(field.name)
    })
}

/// The values of a controlling field: those of the picklist, or of a checkbox.
fn controlling(object: &Object, spec: &DependentSpec) -> Vec<String> {
    match object.field(&spec.controlled_by) {
        Some(field) if field.kind == Kind::Boolean => vec!["false".into(), "true".into()],
        Some(field) => field.values.iter().map(|value| (*value).to_owned()).collect(),
        None => Vec::new(),
    }
}

/// The positions of the controlling values with which a value can be chosen.
fn valid_for(object: &Object, spec: &DependentSpec, value: &str) -> Vec<usize> {
    let values = controlling(object, spec).into_iter().enumerate();
    let allows =
        |controller: &str| spec.values.get(controller).is_some_and(|list| list.iter().any(|v| v == value));
    values.filter(|(_, controller)| allows(controller)).map(|(place, _)| place).collect()
}

/// Adds to a describe's field that it is dependent: `controllerName`, and `validFor` as a bitmap in base64.
pub(super) fn describe_dependency(
    request: &RestRequest<'_>,
    object: &Object,
    field: &Field,
    described: &mut Value,
) {
    let Some(spec) = dependency(request, object, field) else { return };
    described["dependentPicklist"] = json!(true);
    described["controllerName"] = json!(spec.controlled_by);
    let length = controlling(object, spec).len().div_ceil(8).max(1);
    for value in described["picklistValues"].as_array_mut().into_iter().flatten() {
        let mut bits = vec![0_u8; length];
        for place in valid_for(object, spec, value["value"].as_str().unwrap_or_default()) {
            if let Some(byte) = bits.get_mut(place / 8) {
                *byte |= 0x80 >> (place % 8);
            }
        }
        value["validFor"] = json!(BASE64.encode(bits));
    }
}

pub(super) fn object_info(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let object = object(data, request.part(2))?;
    Ok(Response::json(200, info(request, object)))
}

fn info(request: &RestRequest<'_>, object: &Object) -> Value {
    let types = record_types(request, object);
    let default = types.iter().find(|one| one.is_default).map(|one| one.id.clone());
    let infos: Map<String, Value> = types
        .iter()
        .map(|one| {
            let info = json!({
                "available": one.spec.is_none_or(|spec| !spec.unavailable),
                "defaultRecordTypeMapping": one.is_default, "master": one.spec.is_none(), "name": one.name,
                "recordTypeId": one.id,
            });
            (one.id.clone(), info)
        })
        .collect();
    let fields: Map<String, Value> = object
        .fields
        .iter()
        .map(|field| {
            let controller = dependency(request, object, field).map(|spec| spec.controlled_by.clone());
            let (targets, relationship) = match field.kind {
                Kind::Reference(targets, relationship) => (targets, Some(relationship)),
                _ => (&[][..], None),
            };
            let name_of = |target: &str| if target == "Case" { "CaseNumber" } else { "Name" };
            let infos = targets.iter().map(|target| json!({ "apiName": target, "nameFields": [name_of(target)] }));
            let info = json!({
                "apiName": field.name, "calculated": false, "compound": false, "compoundComponentName": null,
                "controllerName": controller, "controllingFields": controller.iter().collect::<Vec<_>>(),
                "createable": !field.read_only, "custom": field.is_custom(), "dataType": data_type(field.kind),
                "extraTypeInfo": null, "filterable": !field.kind.is_long(), "htmlFormatted": false,
                "inlineHelpText": null, "label": field.label, "length": 0, "nameField": field.name == object.name_field,
                "polymorphicForeignKey": field.kind.is_polymorphic(), "reference": !targets.is_empty(), "referenceTargetField": null,
                "referenceToInfos": infos.collect::<Vec<_>>(), "relationshipName": relationship,
                "required": field.required, "sortable": field.kind.is_sortable(), "unique": field.unique,
                "updateable": !field.read_only,
            });
            (field.name.to_owned(), info)
        })
        .collect();
    let dependent: Map<String, Value> = object
        .fields
        .iter()
        .filter_map(|field| Some((dependency(request, object, field)?.controlled_by.clone(), field)))
        .map(|(controller, field)| (controller, json!({ field.name: {} })))
        .collect();
    json!({
        "apiName": object.name, "childRelationships": [], "createable": !object.read_only,
        "custom": object.is_custom(), "defaultRecordTypeId": default, "deletable": !object.read_only,
        "dependentFields": dependent, "feedEnabled": false, "fields": fields, "keyPrefix": object.prefix,
        "label": object.label, "labelPlural": object.plural, "layoutable": !object.read_only, "mruEnabled": true,
        "nameFields": [object.name_field], "queryable": true, "recordTypeInfos": infos, "searchable": true,
        "updateable": !object.read_only,
    })
}

fn data_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Id | Kind::Reference(..) => "Reference",
        Kind::Text(_) => "String",
        Kind::TextArea(_) => "TextArea",
        Kind::Email => "Email",
        Kind::Phone => "Phone",
        Kind::Url => "Url",
        Kind::Picklist => "Picklist",
        Kind::MultiPicklist => "MultiPicklist",
        Kind::Boolean => "Boolean",
        Kind::Int => "Int",
        Kind::Double => "Double",
        Kind::Currency => "Currency",
        Kind::Date => "Date",
        Kind::DateTime => "DateTime",
        Kind::Time => "Time",
        Kind::Base64 => "Base64",
    }
}

fn values(request: &RestRequest<'_>, object: &Object, record_type: &RecordType<'_>, field: &Field) -> Value {
    let limited = record_type.spec.and_then(|spec| spec.values.get(field.name));
    let spec = dependency(request, object, field);
    let shown =
        field.values.iter().filter(|value| limited.is_none_or(|list| list.iter().any(|v| v == *value)));
    let values: Vec<Value> = shown
        .map(|value| {
            let valid_for = spec.map(|spec| valid_for(object, spec, value)).unwrap_or_default();
            json!({ "attributes": null, "label": value, "validFor": valid_for, "value": value })
        })
        .collect();
    let controllers = spec.map(|spec| controlling(object, spec)).unwrap_or_default();
    let controllers: Map<String, Value> =
        controllers.into_iter().zip(0..).map(|(value, place)| (value, json!(place))).collect();
    let default = values.iter().find(|value| value["value"] == field.default).cloned();
    let url = format!(
        "{}/ui-api/object-info/{}/picklist-values/{}/{}",
        request.root(),
        object.name,
        record_type.id,
        field.name
    );
    json!({ "controllerValues": controllers, "defaultValue": default, "url": url, "values": values })
}

fn is_picklist(field: &Field) -> bool {
    matches!(field.kind, Kind::Picklist | Kind::MultiPicklist)
}

pub(super) fn picklists(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let object = object(data, request.part(2))?;
    let record_type = record_type(request, object, Some(request.part(4)))?;
    let fields = object.fields.iter().filter(|field| is_picklist(field));
    let all: Map<String, Value> =
        fields.map(|field| (field.name.to_owned(), values(request, object, &record_type, field))).collect();
    Ok(Response::json(200, json!({ "picklistFieldValues": all })))
}

pub(super) fn picklist(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let object = object(data, request.part(2))?;
    let record_type = record_type(request, object, Some(request.part(4)))?;
    let field = object.field(request.part(5)).filter(|field| is_picklist(field));
    let field = field.ok_or_else(ApiError::not_found)?;
    Ok(Response::json(200, values(request, object, &record_type, field)))
}

/// One section with all fields that the page has in this mode.
fn layout_of(object: &Object, record_type: &RecordType<'_>, mode: &str) -> Value {
    let required = |field: &Field| {
        let by_type =
            record_type.spec.is_some_and(|spec| spec.required.iter().any(|name| name == field.name));
        mode != "View" && !field.read_only && (field.required || by_type)
    };
    let rows: Vec<Value> = object
        .fields
        .iter()
        .filter(|field| !["Id", "IsDeleted", "RecordTypeId"].contains(&field.name))
        .filter(|field| mode == "View" || !field.read_only)
        .map(|field| {
            let editable = !field.read_only;
            json!({ "layoutItems": [{
                "editableForNew": editable, "editableForUpdate": editable, "label": field.label,
                "layoutComponents": [{ "apiName": field.name, "componentType": "Field", "label": field.label }],
                "lookupIdApiName": matches!(field.kind, Kind::Reference(..)).then_some(field.name),
                "required": required(field), "sortable": false,
            }] })
        })
        .collect();
    json!({
        "id": null, "layoutType": "Full", "mode": mode, "objectApiName": object.name,
        "recordTypeId": record_type.id, "saveOptions": [],
        "sections": [{
            "collapsible": false, "columns": 1, "heading": format!("{} Information", object.label), "id": "01B",
            "layoutRows": rows, "rows": rows.len(), "tabOrder": "LeftRight", "useHeading": true,
        }],
    })
}

pub(super) fn layout(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let object = object(data, request.part(2))?;
    let record_type = record_type(request, object, request.param("recordTypeId"))?;
    let mode = request.param("mode").unwrap_or("View");
    if !["Create", "Edit", "View"].contains(&mode) {
        // Code and text are unverified.
        return Err(ApiError::bad("ILLEGAL_QUERY_PARAMETER_VALUE", format!("mode: {mode}")).into());
    }
    Ok(Response::json(200, layout_of(object, &record_type, mode)))
}

pub(super) fn defaults(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    let object = object(data, request.part(3))?;
    let record_type = record_type(request, object, request.param("recordTypeId"))?;
    let writable = object.fields.iter().filter(|field| !field.read_only);
    let fields: Map<String, Value> = writable
        .map(|field| {
            let value = match field.name {
                "OwnerId" => json!(request.user.id),
                _ if !field.default.is_empty() => json!(field.default),
                _ if field.kind == Kind::Boolean => json!(false),
                _ => Value::Null,
            };
            let shown = value.as_str().filter(|_| is_picklist(field)).map(str::to_owned);
            (field.name.to_owned(), json!({ "displayValue": shown, "value": value }))
        })
        .collect();
    let body = json!({
        "layout": layout_of(object, &record_type, "Create"),
        "objectInfos": { object.name: info(request, object) },
        "record": {
            "apiName": object.name, "childRelationships": {}, "fields": fields, "id": null,
            "lastModifiedById": null, "lastModifiedDate": null, "recordTypeId": record_type.id,
            "recordTypeInfo": null, "systemModstamp": null,
        },
    });
    Ok(Response::json(200, body))
}
