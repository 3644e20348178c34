//! The UI API as its guide shows it: record types, picklists, layouts, defaults.
use crate::support::Api;
use salesforce_fake_org::FakeOrg;
use serde_json::{Value, json};

const MASTER: &str = "012000000000000AAA";

async fn start() -> (FakeOrg, Api) {
    let declared = json!({
        "record_types": [
            { "object": "Account", "name": "Partner", "default": true, "values": { "Industry": ["Energy"] }, "required": ["Phone"] },
            { "object": "Account", "name": "Closed", "unavailable": true },
            { "object": "Contact", "name": "Press" },
        ],
        "dependent_picklists": [{
            "object": "Project__c", "field": "Tags__c", "controlled_by": "Phase__c",
            "values": { "Draft": ["Internal"], "Running": ["Urgent", "Billable"] },
        }],
    });
    let org = FakeOrg::builder().rows(0).declare_json(&declared.to_string()).unwrap().start().await.unwrap();
    let api = Api::of(&org);
    (org, api)
}

fn id_of(info: &Value, name: &str) -> String {
    let mut types = info["recordTypeInfos"].as_object().unwrap().values();
    types.find(|one| one["name"] == name).unwrap()["recordTypeId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_object_info_has_record_types_and_their_picklists() {
    let (_org, api) = start().await;
    let info = api.get("/ui-api/object-info/Account").await.json();
    let (partner, closed) = (id_of(&info, "Partner"), id_of(&info, "Closed"));
    assert_eq!((&info["defaultRecordTypeId"], partner.len()), (&json!(partner), 18));
    assert_eq!(info["recordTypeInfos"][&closed]["available"], false);
    assert_eq!(info["recordTypeInfos"][MASTER]["master"], true);
    assert_eq!(
        (&info["fields"]["Name"]["required"], &info["fields"]["Id"]["createable"]),
        (&json!(true), &json!(false))
    );
    let values = async |record_type: &str, field: &str| {
        api.get(&format!("/ui-api/object-info/Account/picklist-values/{record_type}/{field}")).await
    };
    let industries = values(&partner, "Industry").await.json();
    let energy = json!({ "attributes": null, "label": "Energy", "validFor": [], "value": "Energy" });
    assert_eq!(industries["values"], json!([energy]));
    assert_eq!((&industries["controllerValues"], &industries["defaultValue"]), (&json!({}), &Value::Null));
    assert!(values(MASTER, "Industry").await.json()["values"].as_array().unwrap().len() > 1);
    let all =
        api.get(&format!("/ui-api/object-info/Account/picklist-values/{}", &partner[..15])).await.json();
    assert_eq!(all["picklistFieldValues"]["Industry"]["values"], json!([energy]));
    let press = id_of(&api.get("/ui-api/object-info/Contact").await.json(), "Press");
    for response in [
        values(&press, "Industry").await,
        values(&partner, "Name").await,
        api.get("/ui-api/object-info/Nope").await,
    ] {
        assert_eq!((response.status, response.error().0.as_str()), (404, "NOT_FOUND"));
    }
    // A describe says the same.
    let described = api.get("/sobjects/Account/describe").await.json();
    assert_eq!(described["recordTypeInfos"][0]["recordTypeId"], partner);
}

#[tokio::test]
async fn a_dependent_picklist_names_its_controlling_values() {
    let (_org, api) = start().await;
    let path = format!("/ui-api/object-info/Project__c/picklist-values/{MASTER}/Tags__c");
    let tags = api.get(&path).await.json();
    assert_eq!(tags["controllerValues"], json!({ "Draft": 0, "Running": 1, "Done": 2 }));
    let valid: Vec<_> =
        tags["values"].as_array().unwrap().iter().map(|one| (&one["value"], &one["validFor"])).collect();
    assert_eq!(
        valid,
        [
            (&json!("Urgent"), &json!([1])),
            (&json!("Internal"), &json!([0])),
            (&json!("Billable"), &json!([1]))
        ]
    );
    let info = api.get("/ui-api/object-info/Project__c").await.json();
    assert_eq!(info["fields"]["Tags__c"]["controllingFields"], json!(["Phase__c"]));
    assert_eq!(info["dependentFields"], json!({ "Phase__c": { "Tags__c": {} } }));
    // In a describe `validFor` is a bitmap: the first value is the highest bit.
    let described = api.get("/sobjects/Project__c/describe").await.json();
    let fields = described["fields"].as_array().unwrap();
    let field = fields.iter().find(|field| field["name"] == "Tags__c").unwrap();
    assert_eq!((&field["dependentPicklist"], &field["controllerName"]), (&json!(true), &json!("Phase__c")));
    assert_eq!(
        (&field["picklistValues"][0]["validFor"], &field["picklistValues"][1]["validFor"]),
        (&json!("QA=="), &json!("gA=="))
    );
}

#[tokio::test]
async fn a_layout_requires_what_object_and_record_type_require() {
    let (org, api) = start().await;
    let required = |layout: &Value| {
        let rows = layout["sections"][0]["layoutRows"].as_array().unwrap().iter();
        let items = rows.map(|row| row["layoutItems"][0].clone()).filter(|item| item["required"] == true);
        items
            .map(|item| item["layoutComponents"][0]["apiName"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let layout = api.get("/ui-api/layout/Account?mode=Create&layoutType=Full").await.json();
    assert_eq!(required(&layout), ["Name", "Phone"]);
    let master = api.get(&format!("/ui-api/layout/Account?mode=Create&recordTypeId={MASTER}")).await.json();
    assert_eq!(required(&master), ["Name"]);
    assert_eq!(required(&api.get("/ui-api/layout/Account").await.json()), [""; 0], "a view requires nothing");
    assert_eq!(api.get("/ui-api/layout/Account?mode=Nope").await.status, 400);
    let defaults = api.get("/ui-api/record-defaults/create/Case").await.json();
    assert_eq!(defaults["record"]["fields"]["Status"], json!({ "displayValue": "New", "value": "New" }));
    assert_eq!(defaults["record"]["fields"]["OwnerId"]["value"], org.user(crate::support::ADA).id());
    assert_eq!(defaults["record"]["fields"]["Subject"]["value"], Value::Null);
    assert_eq!(defaults["layout"]["mode"], "Create");
    assert_eq!(defaults["objectInfos"]["Case"]["apiName"], "Case");
}
