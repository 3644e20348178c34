//! What a user may not see does not exist at any endpoint, and what a user may only read no endpoint changes.

use crate::support::{Api, Response, send};
use reqwest::Method;
use salesforce_fake_org::FakeOrg;
use serde_json::{Value, json};

const BEN: &str = "ben@example.com";

/// The REST API as Ben.
fn as_ben(org: &FakeOrg) -> Api {
    let token = org.issue_tokens(&org.user(BEN), "api").access_token;
    Api { token, ..Api::of(org) }
}

async fn request(api: &Api, method: Method, path: &str, body: &Value) -> Response {
    let request = api.http.request(method.clone(), api.url(path)).bearer_auth(&api.token);
    send(if method == Method::GET { request } else { request.json(body) }).await
}

/// Requests that read or write records of an object at each of the endpoints. `id`: of a record; `fields`: of a new one.
fn requests(object: &str, id: &str, fields: &Value) -> Vec<(Method, String, Value)> {
    let (post, get) = (Method::POST, Method::GET);
    let record = format!("/sobjects/{object}/{id}");
    let typed = |extra: &[(&str, &str)]| {
        let mut record = json!({ "attributes": { "type": object, "referenceId": "one" } });
        let members = record.as_object_mut().unwrap();
        members.extend(fields.as_object().unwrap().clone());
        members.extend(extra.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
        record
    };
    let sub = |method: &str, path: &str, body: Value| {
        let url = format!("/services/data/v66.0{path}");
        json!({ "allOrNone": true, "compositeRequest": [
            { "method": method, "url": url, "referenceId": "one", "body": body },
        ] })
    };
    let field = fields.as_object().unwrap().keys().next().unwrap();
    let graphql = format!("query {{ uiapi {{ query {{ {object} {{ edges {{ node {{ Id }} }} }} }} }} }}");
    let mutation = format!(
        "mutation {{ uiapi {{ {object}Create(input: {{ {object}: {{ {field}: \"x\" }} }}) {{ Record {{ Id }} }} }} }}"
    );
    vec![
        (post.clone(), format!("/sobjects/{object}"), fields.clone()),
        (Method::PATCH, record.clone(), fields.clone()),
        (Method::DELETE, record.clone(), json!({})),
        (post.clone(), "/composite".into(), sub("POST", &format!("/sobjects/{object}"), fields.clone())),
        (post.clone(), "/composite/sobjects".into(), json!({ "records": [typed(&[])] })),
        (Method::PATCH, "/composite/sobjects".into(), json!({ "records": [typed(&[("id", id)])] })),
        (Method::DELETE, format!("/composite/sobjects?ids={id}"), json!({})),
        (post.clone(), format!("/composite/tree/{object}"), json!({ "records": [typed(&[])] })),
        (post.clone(), "/graphql".into(), json!({ "query": mutation })),
        // From here on they read.
        (get.clone(), record.clone(), json!({})),
        (get.clone(), format!("/sobjects/{object}"), json!({})),
        (get.clone(), format!("/sobjects/{object}/describe"), json!({})),
        (get.clone(), format!("/query?q=SELECT+Id+FROM+{object}"), json!({})),
        (get.clone(), format!("/queryAll?q=SELECT+COUNT()+FROM+{object}"), json!({})),
        (get.clone(), format!("/composite/sobjects/{object}?ids={id}&fields=Id"), json!({})),
        (post.clone(), "/composite".into(), sub("GET", &record, Value::Null)),
        (
            post.clone(),
            "/jobs/query".into(),
            json!({ "operation": "query", "query": format!("SELECT Id FROM {object}") }),
        ),
        (post.clone(), "/jobs/ingest".into(), json!({ "operation": "insert", "object": object })),
        (post.clone(), "/graphql".into(), json!({ "query": graphql })),
        (get.clone(), format!("/ui-api/object-info/{object}"), json!({})),
        (get, format!("/search?q=FIND+%7Bxyz*%7D+RETURNING+{object}(Id)"), json!({})),
        (
            post,
            "/parameterizedSearch".into(),
            json!({ "q": "xyz*", "sobjects": [{ "name": object, "fields": ["Id"] }] }),
        ),
    ]
}

/// How many of [`requests`] write.
const WRITES: usize = 9;

/// Whether a response says that nothing was done or found: by its status, or for the part in it.
fn is_refused(response: &Response) -> bool {
    let body: Value = serde_json::from_str(&response.body).unwrap_or_default();
    let part = body["compositeResponse"][0]["httpStatusCode"].as_u64().is_some_and(|status| status >= 400);
    let record =
        body[0]["success"] == false || body["hasErrors"] == true || body[0].is_null() && body.is_array();
    let graphql = body["errors"].as_array().is_some_and(|errors| !errors.is_empty());
    response.status >= 400 || part || record || graphql
}

async fn asserts_refused(api: &Api, requests: &[(Method, String, Value)]) {
    for (method, path, body) in requests {
        let response = request(api, method.clone(), path, body).await;
        assert!(is_refused(&response), "{method} {path} {body}: {response:?}");
    }
}

#[tokio::test]
async fn permission_sets_exist_only_for_users_who_may_view_the_setup() {
    let org = FakeOrg::start().await.unwrap();
    let ben = org.user(BEN);
    org.set_user_access(&ben, &json!({ "profile": "Standard User", "permission_sets": ["Billing"] }))
        .unwrap();
    let (ada, api) = (Api::of(&org), as_ben(&org));
    for (object, fields) in [
        ("PermissionSet", json!({ "Name": "x", "Label": "x" })),
        ("PermissionSetAssignment", json!({ "AssigneeId": ben.id() })),
    ] {
        let found = ada.records(&format!("SELECT Id FROM {object}")).await;
        let id = found[0]["Id"].as_str().unwrap();
        asserts_refused(&api, &requests(object, id, &fields)).await;
        assert_eq!(
            ada.records(&format!("SELECT Id FROM {object}")).await.len(),
            found.len(),
            "nothing was written"
        );
        assert_eq!(
            api.query(&format!("SELECT Id FROM {object}")).await.json()[0]["errorCode"],
            "INVALID_TYPE"
        );
    }
    let children = "SELECT Id, (SELECT Id FROM PermissionSetAssignments) FROM User";
    assert_eq!(api.query(children).await.status, 400);
    let all = api.get("/sobjects").await.body;
    assert!(all.contains("\"User\"") && !all.contains("\"PermissionSet\""), "{all}");
    // It is the object that counts, and no word in a query.
    let text = "SELECT Name FROM Account WHERE Name = 'permissionset'";
    assert_eq!(api.query(text).await.status, 200);

    // A right by itself, whatever the profile is called.
    for (user, access, status) in [
        (BEN, json!({ "view_setup": true }), 200),
        (BEN, json!({ "profile": "Minimum Access - Salesforce" }), 200),
        (BEN, json!({ "view_setup": false }), 400),
        ("ada@example.com", json!({ "view_setup": false }), 400),
    ] {
        org.set_user_access(&org.user(user), &access).unwrap();
        let api = if user == BEN { &api } else { &ada };
        assert_eq!(
            api.query("SELECT Id FROM PermissionSetAssignment").await.status,
            status,
            "{user} {access}"
        );
    }
}

#[tokio::test]
async fn what_permission_sets_grant_holds_at_each_endpoint() {
    let org = FakeOrg::builder().bulk_delay(std::time::Duration::ZERO).start().await.unwrap();
    let sets = json!([{
        "name": "Readers", "objects": { "Account": "edit", "Contact": "read" }, "fields": { "Account.Industry": "edit" },
    }]);
    let access = json!({ "profile": "Minimum Access - Salesforce", "permission_sets": sets });
    org.set_user_access(&org.user(BEN), &access).unwrap();
    let (ada, api) = (Api::of(&org), as_ben(&org));
    let first = async |object: &str| {
        let found = ada.records(&format!("SELECT Id FROM {object} LIMIT 1")).await;
        found[0]["Id"].as_str().unwrap().to_owned()
    };
    let count = async |object: &str| ada.records(&format!("SELECT Id FROM {object}")).await.len();
    let (opportunities, contacts) = (count("Opportunity").await, count("Contact").await);

    // No permission: it does not exist.
    let fields = json!({ "Name": "x", "StageName": "Prospecting", "CloseDate": "2030-01-01" });
    asserts_refused(&api, &requests("Opportunity", &first("Opportunity").await, &fields)).await;
    assert_eq!(count("Opportunity").await, opportunities);

    // To read only.
    let contact = first("Contact").await;
    let all = requests("Contact", &contact, &json!({ "LastName": "x" }));
    let (writes, reads) = all.split_at(WRITES);
    asserts_refused(&api, writes).await;
    assert_eq!(count("Contact").await, contacts);
    for (method, path, body) in reads.iter().filter(|(_, path, _)| !path.ends_with("ingest")) {
        let response = request(&api, method.clone(), path, body).await;
        assert!(!is_refused(&response), "{method} {path}: {response:?}");
    }
    for (object, data, loaded) in
        [("Contact", "LastName\nx\n", 0), ("Account", "Name,Industry\nx,Energy\n", 1)]
    {
        let job = json!({ "operation": "insert", "object": object });
        let made = api.post("/jobs/ingest", job).await;
        let Some(id) = made.json()["id"].as_str().map(str::to_owned) else {
            assert_eq!((object, made.status), ("Contact", 400), "{made:?}");
            continue;
        };
        let put = api.http.put(api.url(&format!("/jobs/ingest/{id}/batches"))).bearer_auth(&api.token);
        assert_eq!(send(put.header("content-type", "text/csv").body(data)).await.status, 201);
        api.patch(&format!("/jobs/ingest/{id}"), json!({ "state": "UploadComplete" })).await;
        let job = api.get(&format!("/jobs/ingest/{id}")).await.json();
        let done =
            job["numberRecordsProcessed"].as_u64().unwrap() - job["numberRecordsFailed"].as_u64().unwrap();
        assert_eq!(done, loaded, "{object}: {job}");
    }
    assert_eq!(count("Contact").await, contacts);

    // A field without a permission, and one to write.
    let account = first("Account").await;
    for (method, path, body) in &requests("Account", &account, &json!({ "Website": "x", "Name": "x" }))[..2] {
        let response = request(&api, method.clone(), path, body).await;
        assert!(is_refused(&response) && response.body.contains("INVALID_FIELD"), "{response:?}");
    }
    let made = api.post("/sobjects/Account", json!({ "Name": "x", "Industry": "Energy" })).await;
    assert_eq!(made.status, 201, "{made:?}");
    let path = format!("/sobjects/Account/{}", made.json()["id"].as_str().unwrap());
    assert_eq!(api.delete(&path).await.status, 204);
}

/// What a permission set grants is what its records say.
#[tokio::test]
async fn permissions_of_objects_and_fields_are_records() {
    let org = FakeOrg::start().await.unwrap();
    let sets = json!([
        {
            "name": "Readers", "objects": { "account": "edit", "Contact": "read" },
            "fields": { "Account.industry": "edit", "Contact.Phone": "read" },
        },
        "Billing",
    ]);
    let restricted = "Minimum Access - Salesforce";
    org.set_user_access(&org.user(BEN), &json!({ "profile": restricted, "permission_sets": sets })).unwrap();
    let (ada, ben) = (Api::of(&org), as_ben(&org));

    let of_ben = format!(
        "FROM ObjectPermissions WHERE ParentId IN (SELECT PermissionSetId FROM PermissionSetAssignment WHERE \
         AssigneeId = '{}') ORDER BY SobjectType",
        org.user(BEN).id()
    );
    let select = "SELECT SobjectType, PermissionsRead, PermissionsCreate, PermissionsEdit, PermissionsDelete, \
                  PermissionsViewAllRecords, PermissionsModifyAllRecords, Parent.Name";
    let found = ada.records(&format!("{select} {of_ben}")).await;
    assert_eq!(found.len(), 2, "{found:?}");
    for (record, object, edits) in [(&found[0], "Account", true), (&found[1], "Contact", false)] {
        assert_eq!((&record["SobjectType"], &record["Parent"]["Name"]), (&object.into(), &"Readers".into()));
        assert_eq!(record["PermissionsRead"], true);
        for right in ["PermissionsCreate", "PermissionsEdit", "PermissionsDelete"] {
            assert_eq!(record[right], edits, "{object} {right}");
        }
        assert_eq!(
            (&record["PermissionsViewAllRecords"], &record["PermissionsModifyAllRecords"]),
            (&json!(false), &json!(false))
        );
    }
    let fields = "SELECT Id, SobjectType, Field, PermissionsRead, PermissionsEdit FROM FieldPermissions \
                  WHERE Parent.Name = 'Readers' ORDER BY Field";
    let found = ada.records(fields).await;
    let found: Vec<_> = found
        .iter()
        .map(|record| {
            assert!(record["Id"].as_str().unwrap().starts_with("01k"));
            json!([
                record["SobjectType"],
                record["Field"],
                record["PermissionsRead"],
                record["PermissionsEdit"]
            ])
        })
        .collect();
    assert_eq!(
        found,
        [
            json!(["Account", "Account.Industry", true, true]),
            json!(["Contact", "Contact.Phone", true, false])
        ]
    );
    let described = ada.get("/sobjects/ObjectPermissions/describe").await.json();
    assert_eq!((&described["keyPrefix"], &described["createable"]), (&"110".into(), &json!(false)));

    // Setup only.
    assert_eq!(ben.query("SELECT Id FROM FieldPermissions").await.json()[0]["errorCode"], "INVALID_TYPE");
    // Another user of the same set, and the set with fewer rights.
    let eve = org.user("eve@example.com");
    let access = json!({ "profile": restricted, "permission_sets": ["Readers"] });
    org.set_user_access(&eve, &access).unwrap();
    let api = Api { token: org.issue_tokens(&eve, "api").access_token, ..Api::of(&org) };
    assert_eq!(api.query("SELECT Industry FROM Account").await.status, 200);
    assert_eq!(api.query("SELECT Phone FROM Account").await.status, 400);
    let fewer = json!([{ "name": "Readers", "objects": { "Account": "read" } }]);
    org.set_user_access(&eve, &json!({ "permission_sets": fewer })).unwrap();
    assert_eq!(api.query("SELECT Industry FROM Account").await.status, 400);
    assert_eq!(ada.records(&format!("{select} FROM ObjectPermissions")).await.len(), 1);
    assert!(ada.records(fields).await.is_empty());
}
