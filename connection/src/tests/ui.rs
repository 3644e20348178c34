//! Record types, dependent picklists, layouts and defaults.

use crate::tests::*;
use crate::{
    error::{Error, InvalidRequest, InvalidResponse},
    id::SalesforceId,
    ui::{InvalidRecordType, LayoutMode, Picklist, UnknownControllingValue},
};

const PARTNER: &str = "012D000000IqhSLIAZ";
const CLOSED: &str = "012D000000JRWBdIAP";
const OTHER: &str = "012000000000000AAA";
const RECORD: &str = "001D000000IqhSLIAZ";

fn id(text: &str) -> SalesforceId {
    text.parse().unwrap()
}

fn info() -> Value {
    let record_type = |id: &str, available: bool| {
        json!({
            "recordTypeId": id, "name": "N", "available": available, "defaultRecordTypeMapping": false, "master": false,
            "new": 1,
        })
    };
    json!({
        "apiName": "Account", "label": "Account", "defaultRecordTypeId": PARTNER, "new": {},
        "recordTypeInfos": { PARTNER: record_type(PARTNER, true), CLOSED: record_type(CLOSED, false) },
        "fields": { "Name": {
            "apiName": "Name", "label": "Account Name", "dataType": "String", "required": true, "createable": true,
            "updateable": true, "new": 1,
        } },
    })
}

fn layout() -> Value {
    let item = |required: bool, components: Value| json!({ "required": required, "editableForNew": true, "editableForUpdate": false, "layoutComponents": components, "uiBehavior": "Edit" });
    json!({ "id": "00h", "mode": "Create", "sections": [
        { "heading": "H", "layoutRows": [{ "layoutItems": [
            item(true, json!([{ "componentType": "Field", "apiName": "Name", "label": "Account Name" }])),
            item(true, json!([{ "componentType": "EmptySpace", "apiName": null, "label": null }])),
            item(false, json!([{ "componentType": "Field", "apiName": "Street" }, { "componentType": "Field", "apiName": "City" }])),
            item(false, json!([{ "componentType": "Canvas", "apiName": "App" }])),
        ] }] },
        { "layoutRows": [] },
    ] })
}

fn picklist() -> Value {
    let value = |value: &str, valid_for: Value| json!({ "value": value, "label": value, "validFor": valid_for, "attributes": null });
    json!({
        "controllerValues": { "DE": 0, "FR": 3, "IT": 4 }, "defaultValue": null, "url": "x", "eTag": "y",
        "values": [value("Berlin", json!([0])), value("Paris", json!([3])), value("Both", json!([0, 3])), value("None", Value::Null)],
    })
}

#[test]
fn a_dependent_picklist_has_the_values_of_its_controlling_value() {
    let dependent: Picklist = serde_json::from_value(picklist()).unwrap();
    let values = |controlling| {
        let values = dependent.values_for(controlling)?;
        Ok::<_, UnknownControllingValue>(
            values.into_iter().map(|value| value.value.as_str()).collect::<Vec<_>>(),
        )
    };
    assert!(dependent.is_dependent());
    assert_eq!(values(Some("DE")).unwrap(), ["Berlin", "Both"]);
    assert_eq!(values(Some("FR")).unwrap(), ["Paris", "Both"]);
    assert_eq!(values(Some("IT")).unwrap(), [""; 0]);
    assert_eq!(values(None).unwrap(), [""; 0], "the controlling field is empty");
    let error = Error::from(values(Some("canary")).unwrap_err());
    assert!(matches!(error, Error::InvalidRequest(InvalidRequest::ControllingValue(_))), "{error}");
    assert!(!error.to_string().contains("canary"));
    let mut independent = picklist();
    independent["controllerValues"] = json!({});
    let independent: Picklist = serde_json::from_value(independent).unwrap();
    assert_eq!(independent.values_for(Some("any")).unwrap().len(), 4);
    // Without them a dependent picklist would look independent.
    let mut unknown = picklist();
    unknown.as_object_mut().unwrap().remove("controllerValues");
    assert!(serde_json::from_value::<Picklist>(unknown).is_err());
}

#[tokio::test]
async fn a_form_has_layout_defaults_and_picklists_of_its_record_type() {
    let server = Server::start(|request| match request.target.split('?').next().unwrap().rsplit("ui-api/").next().unwrap() {
        "object-info/Account" => info().into(),
        "record-defaults/create/Account" => json!({
            "layout": layout(), "objectInfos": {},
            "record": { "fields": { "Name": { "value": null, "displayValue": null }, "Rating": { "value": "Hot", "displayValue": "Heiß" } } },
        })
        .into(),
        _ => json!({ "picklistFieldValues": { "City__c": picklist() } }).into(),
    })
    .await;
    let account = connect(&server).sobject("Account");
    let form = account.new_record_form(None).await.unwrap();
    assert_eq!(form.record_type_id, id(PARTNER));
    let fields: Vec<_> =
        form.defaults.layout.fields().map(|field| (field.api_name.as_str(), field.label.as_str())).collect();
    assert_eq!(fields, [("Name", "Account Name"), ("Street", "Street"), ("City", "City")]);
    assert_eq!(form.defaults.layout.required_fields(), ["Name"]);
    assert_eq!(form.defaults.fields["Rating"].display_value.as_deref(), Some("Heiß"));
    assert_eq!(form.picklists.field("city__C").unwrap().values.len(), 4);
    assert!(form.info.fields["Name"].required);
    let mut lines = server.lines();
    lines.sort();
    let base = "GET /services/data/v66.0/ui-api";
    assert_eq!(
        lines,
        [
            format!("{base}/object-info/Account"),
            format!("{base}/object-info/Account/picklist-values/{PARTNER}"),
            format!("{base}/record-defaults/create/Account?recordTypeId={PARTNER}"),
        ]
    );
}

#[tokio::test]
async fn a_record_type_of_another_object_is_named_before_it_is_sent() {
    let server = Server::start(|_| info().into()).await;
    let account = connect(&server).sobject("Account");
    let record_type = |error: Error| match error {
        Error::InvalidRequest(InvalidRequest::RecordType(error)) => error,
        other => panic!("{other}"),
    };
    for error in [
        account.new_record_form(Some(id(RECORD))).await.unwrap_err(),
        account.create_defaults(Some(id(RECORD))).await.unwrap_err(),
        account.layout(LayoutMode::Edit, Some(id(RECORD))).await.unwrap_err(),
        account.picklists(id(RECORD)).await.unwrap_err(),
        account.picklist(id(RECORD), "Industry").await.unwrap_err(),
    ] {
        assert_eq!(record_type(error), InvalidRecordType::NotARecordType { id: id(RECORD) });
    }
    let error = account.picklist(id(PARTNER), "In/dustry").await.unwrap_err();
    assert!(matches!(error, Error::InvalidRequest(InvalidRequest::Name(_))), "{error}");
    assert!(server.requests().is_empty());
    let error = account.new_record_form(Some(id(OTHER))).await.unwrap_err();
    assert_eq!(record_type(error), InvalidRecordType::OtherObject { id: id(OTHER) });
    let error = account.new_record_form(Some(id(CLOSED))).await.unwrap_err();
    assert_eq!(record_type(error), InvalidRecordType::Unavailable { id: id(CLOSED) });
    assert_eq!(server.lines(), ["GET /services/data/v66.0/ui-api/object-info/Account"; 2]);
}

#[tokio::test]
async fn what_the_ui_api_does_not_have_is_named_and_what_it_leaves_out_is_an_error() {
    let server =
        Server::start(|_| api_error(404, "NOT_FOUND", "The requested resource does not exist")).await;
    let account = connect(&server).sobject("Account");
    for (error, text) in [
        (account.object_info().await.unwrap_err(), "object `Account`"),
        (account.layout(LayoutMode::Create, None).await.unwrap_err(), "layout of the object `Account`"),
        (
            account.picklists(id(PARTNER)).await.unwrap_err(),
            "object with the record type `012D000000IqhSLIAZ`",
        ),
        (account.picklist(id(PARTNER), "Nope").await.unwrap_err(), "picklist `Nope`"),
        (account.create_defaults(None).await.unwrap_err(), "object `Account`"),
        // The object exists if it was described a moment ago.
        (
            account.create_defaults(Some(id(PARTNER))).await.unwrap_err(),
            "object with the record type `012D000000IqhSLIAZ`",
        ),
        (
            account.layout(LayoutMode::Edit, Some(id(PARTNER))).await.unwrap_err(),
            "object with the record type `012D000000IqhSLIAZ`",
        ),
    ] {
        assert_eq!(error.to_string(), format!("the org has no {text}, or this user may not use it"));
    }
    // A field that is not said to be required must not look optional.
    let mut body = layout();
    body["sections"][0]["layoutRows"][0]["layoutItems"][0].as_object_mut().unwrap().remove("required");
    let server = Server::start(move |_| body.clone().into()).await;
    let error = connect(&server).sobject("Account").layout(LayoutMode::Create, None).await.unwrap_err();
    assert!(matches!(error, Error::InvalidResponse(InvalidResponse::Json(_))), "{error}");
}
