//! Bodies of REST and Bulk API 2.0 against the sample that their source shows: the same members, each of the same type.
use crate::support::shape::same_shape;
use crate::support::{Api, Response, send};
use salesforce_fake_org::FakeOrg;
use serde_json::{Value, json};

async fn org() -> (FakeOrg, Api) {
    let org = FakeOrg::builder().bulk_delay(std::time::Duration::ZERO).start().await.unwrap();
    let api = Api::of(&org);
    (org, api)
}

fn attributes() -> Value {
    json!({ "type": "Account", "url": "/services/data/v66.0/sobjects/Account/001…" })
}

/// Section 7.2: REST API guide, "Query": counts, aggregates, parents, children.
#[tokio::test]
async fn query_results() {
    let (_org, api) = org().await;
    let count = api.query("SELECT COUNT() FROM Account").await.json();
    same_shape(&count, &json!({ "totalSize": 40, "done": true, "records": [] }));
    assert_eq!(count["records"], json!([]));
    let groups = api.query("SELECT Industry, COUNT(Id) FROM Account GROUP BY Industry").await.json();
    let record = json!({ "attributes": { "type": "AggregateResult" }, "Industry": null, "expr0": 1 });
    same_shape(&groups, &json!({ "totalSize": 1, "done": true, "records": [record] }));
    let soql = "SELECT Id, (SELECT Name FROM Contacts LIMIT 1) FROM Account WHERE Id IN (SELECT AccountId FROM Contact)";
    let children =
        json!({ "totalSize": 1, "done": true, "records": [{ "attributes": attributes(), "Name": "" }] });
    let record = json!({ "attributes": attributes(), "Id": "", "Contacts": children });
    same_shape(&api.query(soql).await.json(), &json!({ "totalSize": 1, "done": true, "records": [record] }));
}

/// Section 7.7: REST API guide, "Limits": two numbers each, of which some hold more such members.
#[tokio::test]
async fn limits() {
    let (_org, api) = org().await;
    let all = api.get("/limits").await.json();
    let pair = json!({ "Max": 1, "Remaining": 1 });
    for (name, limit) in all.as_object().unwrap() {
        let mut nested = pair.clone();
        nested["CreateCustom"] = pair.clone();
        same_shape(limit, if name == "PermissionSets" { &nested } else { &pair });
    }
    assert!(all["DailyApiRequests"].is_object() && all["PermissionSets"].is_object());
}

/// Section 7.4: REST API guide, "sObject Rows by External ID": several matches are an array of paths, no error.
#[tokio::test]
async fn several_choices() {
    let (_org, api) = org().await;
    let response = api.get("/sobjects/Account/LegacyCode__c/L0000").await;
    assert_eq!(response.status, 300);
    same_shape(&response.json(), &json!(["/services/data/v66.0/sobjects/Account/001…"]));
}

/// SOQL and SOSL Reference, "Understanding Relationship Fields and Polymorphic Fields"; Object Reference, "Name".
#[tokio::test]
async fn a_describe_says_which_lookups_are_polymorphic() {
    let (_org, api) = org().await;
    for (object, name, to, relationship) in [
        ("Task", "WhoId", json!(["Contact", "Lead"]), "Who"),
        ("Case", "OwnerId", json!(["Group", "User"]), "Owner"),
        ("Account", "OwnerId", json!(["User"]), "Owner"),
    ] {
        let described = api.get(&format!("/sobjects/{object}/describe")).await.json();
        let field =
            described["fields"].as_array().unwrap().iter().find(|field| field["name"] == name).unwrap();
        let is_polymorphic = json!(to.as_array().unwrap().len() > 1);
        assert_eq!((&field["referenceTo"], &field["relationshipName"]), (&to, &json!(relationship)));
        assert_eq!(
            (&field["polymorphicForeignKey"], &field["namePointing"]),
            (&is_polymorphic, &is_polymorphic)
        );
    }
    let name = api.get("/sobjects/Name/describe").await.json();
    assert_eq!(
        (&name["keyPrefix"], &name["queryable"], &name["createable"]),
        (&json!(null), &json!(false), &json!(false))
    );
    assert!(name["fields"].as_array().unwrap().iter().all(|field| field["updateable"] == false));
    assert_eq!(api.get("/sobjects/Name/003000000000001AAA").await.status, 404);
}

/// Section 7.4: REST API guide, "Describe Global", "sObject Basic Information", "sObject Describe"; the members of a
/// field as in SOAP API guide, "DescribeSObjectResult".
#[tokio::test]
async fn describes() {
    let (_org, api) = org().await;
    let global = api.get("/sobjects").await.json();
    let head = members(
        "activateable associateEntityType associateParentEntity createable custom customSetting deepCloneable deletable deprecatedAndHidden feedEnabled \
         hasSubtypes isInterface isSubtype keyPrefix label labelPlural layoutable mergeable mruEnabled name queryable \
         replicateable retrieveable searchable triggerable undeletable updateable",
        json!({ "urls": members("approvalLayouts compactLayouts describe layouts listviews quickActions rowTemplate sobject", json!({})) }),
    );
    let accounts: Vec<_> =
        global["sobjects"].as_array().unwrap().iter().filter(|object| object["name"] == "Account").collect();
    let found = json!({ "encoding": global["encoding"], "maxBatchSize": global["maxBatchSize"], "sobjects": accounts });
    same_shape(&found, &json!({ "encoding": "UTF-8", "maxBatchSize": 200, "sobjects": [head] }));
    let recent = json!([{ "attributes": attributes(), "Id": "", "Name": "" }]);
    let basic = api.get("/sobjects/Account").await.json();
    same_shape(&basic, &json!({ "objectDescribe": head, "recentItems": recent }));
    let full = api.get("/sobjects/Account/describe").await.json();
    // The Tooling API's describes are of the same form, with its own paths.
    let tooling = api.get("/tooling/sobjects/Account/describe").await.json();
    assert_eq!(tooling["fields"], full["fields"]);
    assert_eq!(tooling["urls"]["describe"], "/services/data/v66.0/tooling/sobjects/Account/describe");
    assert_eq!(api.get("/tooling/sobjects/Account").await.json()["objectDescribe"]["urls"], tooling["urls"]);
    assert_eq!(api.get("/tooling/sobjects/Nope/describe").await.status, 404);
    let field = members(
        "aggregatable aiPredictionField autoNumber byteLength calculated calculatedFormula cascadeDelete caseSensitive \
         compoundFieldName controllerName createable custom defaultValue defaultValueFormula defaultedOnCreate \
         dependentPicklist deprecatedAndHidden digits displayLocationInDecimal encrypted externalId extraTypeInfo \
         filterable filteredLookupInfo formulaTreatNullNumberAsZero groupable highScaleNumber htmlFormatted idLookup \
         inlineHelpText label length mask maskType name nameField namePointing nillable permissionable picklistValues \
         polymorphicForeignKey precision queryByDistance referenceTargetField referenceTo relationshipName \
         relationshipOrder restrictedDelete restrictedPicklist scale searchPrefilterable soapType sortable type unique \
         updateable writeRequiresMasterRead",
        json!({}),
    );
    let mut sample = head;
    // Recorded describes of version 61.0: airbyte, `source-salesforce`, `describe_response_builder.py`.
    let whole = members(
        "actionOverrides compactLayoutable defaultImplementation extendedBy extendsInterfaces implementedBy \
         implementsInterfaces listviewable lookupLayoutable namedLayoutInfos networkScopeFieldName searchLayoutable \
         sobjectDescribeOption",
        json!({}),
    );
    sample.as_object_mut().unwrap().extend(whole.as_object().unwrap().clone());
    for url in ["uiDetailTemplate", "uiEditTemplate", "uiNewRecord"] {
        sample["urls"][url] = json!("");
    }
    sample["fields"] = json!([field]);
    sample["childRelationships"] = json!([members(
        "cascadeDelete childSObject deprecatedAndHidden field junctionIdListNames junctionReferenceTo relationshipName \
         restrictedDelete",
        json!({}),
    )]);
    sample["recordTypeInfos"] = json!([members(
        "active available defaultRecordTypeMapping developerName master name recordTypeId urls",
        json!({}),
    )]);
    sample["supportedScopes"] = json!([{ "label": "", "name": "" }]);
    same_shape(&full, &sample);
}

/// Section 7.4: REST API guide, "Get Updated", "Get Deleted".
#[tokio::test]
async fn changed_and_deleted() {
    let (org, api) = org().await;
    let kept = api.post("/sobjects/Account", json!({ "Name": "kept" })).await.json();
    let gone = api.post("/sobjects/Account", json!({ "Name": "gone" })).await.json()["id"].clone();
    api.delete(&format!("/sobjects/Account/{}", gone.as_str().unwrap())).await;
    org.advance(std::time::Duration::from_secs(120));
    let span = async |what: &str| {
        let at =
            |seconds: u64| moment(std::time::SystemTime::now() + std::time::Duration::from_secs(seconds));
        let query = [("start", at(0)), ("end", at(120))];
        let request = api.http.get(api.url(&format!("/sobjects/Account/{what}"))).query(&query);
        send(request.bearer_auth(&api.token)).await.json()
    };
    let updated = span("updated").await;
    same_shape(&updated, &json!({ "ids": [""], "latestDateCovered": "" }));
    assert!(updated["ids"].as_array().unwrap().contains(&kept["id"]));
    let item = json!({ "id": "", "deletedDate": "2026-01-31T12:00:00.000+0000" });
    let sample = json!({ "deletedRecords": [item], "earliestDateAvailable": "", "latestDateCovered": "" });
    same_shape(&span("deleted").await, &sample);
}

/// Section 7.3: REST API guide, "Search" and "Parameterized Search".
#[tokio::test]
async fn searches() {
    let (_org, api) = org().await;
    let found = json!({ "searchRecords": [{ "attributes": attributes(), "Id": "" }] });
    let find = [("q", "FIND {Aurora} RETURNING Account(Id)")];
    let request = api.http.get(api.url("/search")).query(&find);
    same_shape(&send(request.bearer_auth(&api.token)).await.json(), &found);
    let body = json!({ "q": "Aurora", "sobjects": [{ "name": "Account", "fields": ["Id"] }] });
    same_shape(&api.post("/parameterizedSearch", body).await.json(), &found);
    let recent = api.get("/recent?limit=1").await.json();
    assert_eq!(recent.as_array().map(Vec::len), Some(1), "a plain array");
}

/// Section 7.5: REST API guide, "sObject Collections".
#[tokio::test]
async fn collections() {
    let (_org, api) = org().await;
    let record = |name: &str| json!({ "attributes": { "type": "Account" }, "Name": name });
    let saved = json!({ "id": "", "success": true, "errors": [] });
    let refused =
        json!({ "success": false, "errors": [{ "statusCode": "", "message": "", "fields": null }] });
    let body = json!({ "allOrNone": false, "records": [record("a"), record("")] });
    let response = api.post("/composite/sobjects", body).await;
    assert_eq!(response.status, 200, "always");
    same_shape(&response.json()[0], &saved);
    same_shape(&response.json()[1], &refused);
    let body = json!({ "allOrNone": true, "records": [record("a"), record("")] });
    let undone = api.post("/composite/sobjects", body).await.json();
    undone.as_array().unwrap().iter().for_each(|item| same_shape(item, &refused));
    let keyed = json!({ "attributes": { "type": "Account" }, "Name": "k", "ExternalKey__c": "K" });
    let body = json!({ "allOrNone": false, "records": [keyed] });
    let upserted = api.patch("/composite/sobjects/Account/ExternalKey__c", body).await.json();
    same_shape(&upserted, &json!([{ "id": "", "success": true, "errors": [], "created": true }]));
    let id = upserted[0]["id"].as_str().unwrap();
    let body = json!({ "ids": [id, "001Fk0000zzzzzz"], "fields": ["Name"] });
    let read = api.post("/composite/sobjects/Account", body).await.json();
    same_shape(&read[0], &json!({ "attributes": attributes(), "Name": "", "Id": "" }));
    assert!(read[1].is_null(), "missing rows are null");
    same_shape(&api.delete(&format!("/composite/sobjects?ids={id}")).await.json(), &json!([saved]));
}

/// Section 7.6: REST API guide, "Composite", "Composite Batch", "Composite Graph", "sObject Tree".
#[tokio::test]
async fn composites() {
    let (_org, api) = org().await;
    let create = |name: &str| {
        json!({
            "method": "POST", "url": "/services/data/v66.0/sobjects/Account", "referenceId": "one",
            "body": { "Name": name },
        })
    };
    let created = json!({ "id": "", "success": true, "errors": [] });
    let part = json!({ "body": created, "httpHeaders": { "Location": "" }, "httpStatusCode": 201, "referenceId": "" });
    let errors = json!([{ "message": "", "errorCode": "", "fields": [""] }]);
    let failed = json!({ "body": errors, "httpHeaders": {}, "httpStatusCode": 400, "referenceId": "" });
    let response = api.post("/composite", json!({ "compositeRequest": [create("a")] })).await.json();
    same_shape(&response, &json!({ "compositeResponse": [part] }));
    let response = api.post("/composite", json!({ "compositeRequest": [create("")] })).await.json();
    same_shape(&response, &json!({ "compositeResponse": [failed] }));

    let batch = json!({ "batchRequests": [{ "method": "GET", "url": "v66.0/limits" }] });
    let sample = json!({ "hasErrors": false, "results": [{ "statusCode": 200, "result": null }] });
    same_shape(&api.post("/composite/batch", batch).await.json(), &sample);

    let graphs = json!({ "graphs": [{ "graphId": "g", "compositeRequest": [create("b")] }] });
    let response = json!({ "compositeResponse": [part] });
    let sample = json!({ "graphs": [{ "graphId": "", "graphResponse": response, "isSuccessful": true }] });
    same_shape(&api.post("/composite/graph", graphs).await.json(), &sample);

    let tree = |name: &str| json!({ "records": [{ "attributes": { "type": "Account", "referenceId": "r" }, "Name": name }] });
    let response = api.post("/composite/tree/Account", tree("c")).await;
    assert_eq!(response.status, 201);
    same_shape(
        &response.json(),
        &json!({ "hasErrors": false, "results": [{ "referenceId": "", "id": "" }] }),
    );
    let response = api.post("/composite/tree/Account", tree("")).await;
    assert_eq!(response.status, 400);
    let item = json!({ "statusCode": "", "message": "", "fields": [""] });
    let sample = json!({ "hasErrors": true, "results": [{ "referenceId": "", "errors": [item] }] });
    same_shape(&response.json(), &sample);
}

/// Section 7.8: Bulk API 2.0 guide, "Create a Job", "Get Job Info", "Get All Jobs", and the results as CSV.
#[tokio::test]
async fn ingest_jobs() {
    let (_org, api) = org().await;
    let common = "id operation object createdById createdDate systemModstamp state concurrencyMode contentType \
                  apiVersion lineEnding columnDelimiter";
    let open = members(common, json!({ "contentUrl": "", "jobType": "V2Ingest", "apiVersion": 66.0 }));
    let new = json!({ "object": "Account", "operation": "insert" });
    let job = api.post("/jobs/ingest", new).await.json();
    same_shape(&job, &open);
    let path = format!("/jobs/ingest/{}", job["id"].as_str().unwrap());
    let upload = api.http.put(api.url(&format!("{path}/batches"))).bearer_auth(&api.token);
    let upload = upload.header("content-type", "text/csv").body("Name,Phone\nA,1\n,2\n");
    assert_eq!(send(upload).await.status, 201);
    api.patch(&path, json!({ "state": "UploadComplete" })).await;
    let done = members(
        &format!(
            "{common} contentUrl jobType retries totalProcessingTime apexProcessingTime apiActiveProcessingTime \
             numberRecordsProcessed numberRecordsFailed"
        ),
        json!({}),
    );
    let info = api.get(&path).await.json();
    same_shape(&info, &done);
    assert_eq!(info["state"], "JobComplete");
    let list = api.get("/jobs/ingest").await.json();
    let one = members(&format!("{common} jobType"), json!({}));
    same_shape(&list, &json!({ "done": true, "nextRecordsUrl": null, "records": [one] }));
    let head = async |what: &str| {
        let response = api.get(&format!("{path}/{what}")).await;
        assert!(response.header("content-type").starts_with("text/csv"), "{response:?}");
        response.body.lines().next().unwrap().to_owned()
    };
    assert_eq!(head("successfulResults").await, "\"sf__Id\",\"sf__Created\",\"Name\",\"Phone\"");
    assert_eq!(head("failedResults").await, "\"sf__Id\",\"sf__Error\",\"Name\",\"Phone\"");
    assert_eq!(head("unprocessedrecords").await, "\"Name\",\"Phone\"");
}

/// Section 7.8: Bulk API 2.0 guide, "Query Jobs", "Get Results", "Get Parallel Results".
#[tokio::test]
async fn query_jobs() {
    let (_org, api) = org().await;
    let common = "id operation object createdById createdDate systemModstamp state concurrencyMode contentType \
                  apiVersion lineEnding columnDelimiter";
    let new = json!({ "operation": "query", "query": "SELECT Id, Name FROM Account" });
    let job = api.post("/jobs/query", new).await.json();
    same_shape(&job, &members(common, json!({})));
    let path = format!("/jobs/query/{}", job["id"].as_str().unwrap());
    let more = "jobType retries totalProcessingTime numberRecordsProcessed";
    same_shape(&api.get(&path).await.json(), &members(&format!("{common} {more}"), json!({})));
    let page = api.get(&format!("{path}/results?maxRecords=30")).await;
    assert_eq!(page.header("sforce-numberofrecords"), "30");
    let last = api.get(&format!("{path}/results?locator={}", page.header("sforce-locator"))).await;
    assert_eq!((last.header("sforce-locator"), last.header("sforce-numberofrecords")), ("null", "10"));
    let pages = api.get(&format!("{path}/resultPages")).await.json();
    same_shape(
        &pages,
        &json!({ "resultPages": [{ "resultUrl": "" }], "nextRecordsUrl": null, "done": true }),
    );
}

/// Section 7.7: an unknown Apex path, and section 1.1: data at the login host.
#[tokio::test]
async fn refusals_outside_of_data() {
    let (org, api) = org().await;
    let sample = json!([{ "message": "", "errorCode": "" }]);
    let apex: Response = api.get("/services/apexrest/none").await;
    same_shape(&apex.json(), &sample);
    assert_eq!(apex.error(), ("NOT_FOUND".into(), "Could not find a match for URL".into()));
    let url = format!("{}/services/data/v66.0/limits", org.login_url());
    let response = send(api.http.get(url).bearer_auth(&api.token)).await;
    same_shape(&response.json(), &sample);
    assert_eq!(response.error().0, "URL_NOT_RESET");
}

/// These members, of any type, and those.
fn members(names: &str, mut and: Value) -> Value {
    for name in names.split_whitespace() {
        if and.get(name).is_none() {
            and[name] = Value::Null;
        }
    }
    and
}

/// A moment as start and end of a span take it.
fn moment(at: std::time::SystemTime) -> String {
    let seconds = at.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let at = time::OffsetDateTime::from_unix_timestamp(seconds.try_into().unwrap()).unwrap();
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:00+00:00",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute()
    )
}
