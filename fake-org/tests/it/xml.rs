//! XML in place of JSON, in bodies and in responses: section 7 of the protocol page, and the sources named below.
use crate::support::{Api, Response, send};
use reqwest::Method;
use salesforce_fake_org::FakeOrg;
use serde_json::json;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
const NIL: &str = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:nil=\"true\"/>";

async fn org() -> (FakeOrg, Api) {
    let org = FakeOrg::builder()
        .rows(0)
        .records("Account", &[json!({ "Name": "A & <B>", "Industry": "Media", "ExternalKey__c": "K" })])
        .start()
        .await
        .unwrap();
    let api = Api::of(&org);
    (org, api)
}

/// What a response in XML says below its first line.
#[track_caller]
fn document(response: &Response) -> &str {
    assert_eq!(response.header("content-type"), "application/xml;charset=UTF-8", "{response:?}");
    response.body.strip_prefix(HEAD).unwrap()
}

async fn get(api: &Api, path: &str, accept: &str) -> Response {
    send(api.http.get(api.url(path)).header("accept", accept).bearer_auth(&api.token)).await
}

/// A body in XML, and nothing said of the response.
async fn put(api: &Api, method: Method, path: &str, body: &str) -> Response {
    let request =
        api.http.request(method, api.url(path)).header("content-type", "application/xml; charset=UTF-8");
    send(request.bearer_auth(&api.token).body(format!("{HEAD}\n{body}"))).await
}

async fn id(api: &Api) -> String {
    api.records("SELECT Id FROM Account").await[0]["Id"].as_str().unwrap().to_owned()
}

/// REST API guide, older samples of "Query" and "sObject Rows"; errors as a test fixture of the gem `salesforce` has them.
#[tokio::test]
async fn records_queries_and_errors() {
    let (_org, api) = org().await;
    let id = id(&api).await;
    let url = format!("url=\"/services/data/v66.0/sobjects/Account/{id}\"");
    let record =
        format!("<Account type=\"Account\" {url}><Name>A &amp; &lt;B&gt;</Name><Id>{id}</Id></Account>");
    let path = format!("/sobjects/Account/{id}");
    assert_eq!(document(&get(&api, &format!("{path}.xml?fields=Name"), "application/json").await), record);
    assert_eq!(document(&get(&api, &format!("{path}?fields=Name"), "application/xml").await), record);
    let found =
        get(&api, "/query.xml?q=SELECT+Name,Phone,(SELECT+Id+FROM+Contacts)+FROM+Account", "*/*").await;
    assert_eq!(
        document(&found),
        format!(
            "<QueryResult><totalSize>1</totalSize><done>true</done><records type=\"Account\" {url}>\
             <Name>A &amp; &lt;B&gt;</Name><Phone {NIL}<Contacts {NIL}</records></QueryResult>"
        )
    );
    assert_eq!(
        document(&get(&api, "/query?q=SELECT+Id+FROM+Account+OFFSET+2001", "text/xml, */*").await),
        "<Errors><Error><message>Maximum SOQL offset allowed is 2000</message>\
         <errorCode>NUMBER_OUTSIDE_VALID_RANGE</errorCode></Error></Errors>"
    );
}

/// The end of the path wins, then what is preferred, then the format of the body (REST API guide, "Create Records Using
/// sObject Basic Information").
#[tokio::test]
async fn the_format_is_the_one_asked_for() {
    let (_org, api) = org().await;
    for (path, accept, format) in [
        ("/limits.json", "application/xml", "json"),
        ("/limits", "application/json, application/xml", "json"),
        ("/limits", "*/*", "json"),
        ("/limits.xml", "application/json", "xml"),
        ("/limits", "application/xml; q=1, */*", "xml"),
    ] {
        let response = get(&api, path, accept).await;
        let expected = format!("application/{format};charset=UTF-8");
        assert_eq!(
            (response.status, response.header("content-type")),
            (200, expected.as_str()),
            "{path} {accept}"
        );
    }
    let send_request =
        |path: &str| api.http.post(api.url(path)).header("content-type", "text/xml").bearer_auth(&api.token);
    let body = "<Account><Name>x</Name></Account>";
    let json = send(send_request("/sobjects/Account").header("accept", "application/json").body(body)).await;
    assert_eq!((json.status, json.json()["success"].as_bool()), (201, Some(true)));
    assert!(
        document(&send(send_request("/sobjects/Account").body(body)).await).starts_with("<Result><id>001")
    );
}

/// REST API guide, older samples of "Versions" and of "Limits"; the roots of describes are unverified.
#[tokio::test]
async fn versions_limits_and_describes() {
    let (org, api) = org().await;
    for (path, accept) in [("/services/data.xml", "*/*"), ("/services/data/", "application/xml")] {
        let response = get(&api, path, accept).await;
        let first = "<Versions><Version><label>Summer &#39;14</label><url>/services/data/v31.0</url>\
                     <version>31.0</version></Version>";
        assert!(document(&response).starts_with(first), "{}", response.body);
    }
    org.set_api_limit(10);
    let limits = get(&api, "/limits.xml", "*/*").await;
    let limits = document(&limits);
    assert!(limits.starts_with(
        "<LimitsSnapshot><ConcurrentAsyncGetReportInstances><Max>200</Max><Remaining>200</Remaining>"
    ));
    assert!(
        limits.contains("<DailyApiRequests><Max>10</Max><Remaining>9</Remaining></DailyApiRequests>"),
        "{limits}"
    );
    assert!(limits.ends_with("</SingleEmail></LimitsSnapshot>"));
    let describe = get(&api, "/sobjects/Account/describe.xml", "*/*").await;
    let describe = document(&describe);
    assert!(describe.starts_with("<DescribeSObjectResult><activateable>false</activateable>"), "{describe}");
    let picklist =
        "<picklistValues><active>true</active><defaultValue>false</defaultValue><label>Customer</label>";
    assert!(describe.contains(picklist) && describe.contains("<name>Industry</name>"));
    let global = get(&api, "/sobjects.xml", "*/*").await;
    assert!(
        document(&global).starts_with(
            "<DescribeGlobal><encoding>UTF-8</encoding><maxBatchSize>200</maxBatchSize><sobjects>"
        )
    );
    let basic = get(&api, "/sobjects/Account.xml", "*/*").await;
    assert!(document(&basic).starts_with("<Object><objectDescribe><activateable>"));
    let found = get(&api, "/search.xml?q=FIND+{xylophone}", "*/*").await;
    assert_eq!(document(&found), "<SearchResult></SearchResult>");
}

/// What a request meets before it reaches its resource is in the same format.
#[tokio::test]
async fn early_errors_are_xml_too() {
    let (org, api) = org().await;
    let error = |message: &str, code: &str| {
        format!("<Errors><Error><message>{message}</message><errorCode>{code}</errorCode></Error></Errors>")
    };
    let stranger = Api { token: "00D000000000001!unknown".into(), ..Api::of(&org) };
    let expired = error("Session expired or invalid", "INVALID_SESSION_ID");
    for (path, accept) in [("/sobjects/Account.xml", "*/*"), ("/query?q=x", "application/xml")] {
        let response = get(&stranger, path, accept).await;
        assert_eq!((response.status, document(&response)), (401, expired.as_str()));
    }
    let missing = error("The requested resource does not exist", "NOT_FOUND");
    for path in ["/nope.xml", "/services/data/v99.0/sobjects.xml", "/sobjects/Nope/describe.xml"] {
        let response = get(&api, path, "*/*").await;
        assert_eq!((response.status, document(&response)), (404, missing.as_str()), "{path}");
    }
    let response = get(&api, "/services/apexrest/nope", "application/xml").await;
    assert_eq!(
        (response.status, document(&response)),
        (404, error("Could not find a match for URL", "NOT_FOUND").as_str())
    );
    let elsewhere = format!("{}/services/data/v66.0/limits.xml", org.login_url());
    assert!(document(&send(api.http.get(elsewhere)).await).contains("<errorCode>URL_NOT_RESET</errorCode>"));
    org.set_api_limit(0);
    let response = get(&api, "/limits", "application/xml").await;
    let limited = error("TotalRequests Limit exceeded.", "REQUEST_LIMIT_EXCEEDED");
    assert_eq!((response.status, document(&response)), (403, limited.as_str()));
}

/// REST API guide, "sObject Basic Information", "sObject Rows", "sObject Rows by External ID" (formats JSON and XML): any
/// root, fields as elements; the response is that of the guide's older samples.
#[tokio::test]
async fn records_are_written_in_xml() {
    let (_org, api) = org().await;
    let body = "<Account><Name>X &amp; &#x59; <![CDATA[<Z>]]></Name><!-- none --><NumberOfEmployees>100</NumberOfEmployees>\
                <AnnualRevenue>1.5</AnnualRevenue><Active__c>true</Active__c><Phone></Phone>\
                <Parent><ExternalKey__c>K</ExternalKey__c></Parent></Account>";
    let created = put(&api, Method::POST, "/sobjects/Account", body).await;
    let made = document(&created).strip_prefix("<Result><id>").unwrap().get(..18).unwrap().to_owned();
    assert_eq!(
        (created.status, document(&created)),
        (201, format!("<Result><id>{made}</id><success>true</success></Result>").as_str())
    );
    let soql = format!(
        "SELECT Name, NumberOfEmployees, AnnualRevenue, Active__c, Phone, Parent.Industry FROM Account WHERE Id = '{made}'"
    );
    let row = api.records(&soql).await.remove(0);
    assert_eq!(row["Name"], "X & Y <Z>");
    assert_eq!(
        (
            &row["NumberOfEmployees"],
            &row["AnnualRevenue"],
            &row["Active__c"],
            &row["Phone"],
            &row["Parent"]["Industry"]
        ),
        (&json!(100), &json!(1.5), &json!(true), &json!(null), &json!("Media"))
    );
    // The root's name and namespaces do not matter; nil is null.
    let body = "<s:sObject xmlns:s='urn:sobject.partner.soap.sforce.com' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'>\
                <s:NumberOfEmployees xsi:nil='true'/><Website>example.com</Website></s:sObject>";
    assert_eq!(put(&api, Method::PATCH, &format!("/sobjects/Account/{made}"), body).await.status, 204);
    let row = api.get(&format!("/sobjects/Account/{made}")).await.json();
    assert_eq!((&row["NumberOfEmployees"], &row["Website"]), (&json!(null), &json!("example.com")));
    let upsert = "/sobjects/Account/ExternalKey__c/NEW";
    let first = put(&api, Method::PATCH, upsert, "<Account><Name>u</Name></Account>").await;
    assert!(
        first.status == 201
            && first.body.ends_with("<success>true</success><created>true</created></Result>")
    );
    let again = put(&api, Method::PATCH, upsert, "<Account><Name>v</Name></Account>").await;
    assert!(again.status == 200 && again.body.ends_with("<created>false</created></Result>"), "{again:?}");
    // Refusals as in JSON, with each field in an element.
    let refused = put(&api, Method::POST, "/sobjects/Contact", "<Contact/>").await;
    assert_eq!(
        (refused.status, document(&refused)),
        (
            400,
            "<Errors><Error><message>Required fields are missing: [LastName]</message>\
             <errorCode>REQUIRED_FIELD_MISSING</errorCode><fields>LastName</fields></Error></Errors>"
        )
    );
}

/// REST API guide, "sObject Tree Request Body" and "sObject Tree Response Body", with the guide's own elements.
#[tokio::test]
async fn trees_are_written_in_xml() {
    let (_org, api) = org().await;
    let tree = |email: &str| {
        format!(
            "<SObjectTreeRequest><records type=\"Account\" referenceId=\"ref1\"><name>SampleAccount</name>\
             <numberOfEmployees>100</numberOfEmployees><Contacts><records type=\"Contact\" referenceId=\"ref2\">\
             <lastname>Smith</lastname><email>{email}</email></records></Contacts></records></SObjectTreeRequest>"
        )
    };
    let failed = put(&api, Method::POST, "/composite/tree/Account", &tree("123")).await;
    assert_eq!(
        (failed.status, document(&failed)),
        (
            400,
            "<SObjectTreeResponse><hasErrors>true</hasErrors><results><errors><fields>Email</fields>\
             <message>Email: invalid email address: 123</message><statusCode>INVALID_EMAIL_ADDRESS</statusCode></errors>\
             <referenceId>ref2</referenceId></results></SObjectTreeResponse>"
        )
    );
    let made = put(&api, Method::POST, "/composite/tree/Account", &tree("sample@salesforce.com")).await;
    let soql = "SELECT Id, AccountId FROM Contact WHERE Account.NumberOfEmployees = 100";
    let row = api.records(soql).await.remove(0);
    let result = |id: &str, reference: &str| {
        format!("<results><id>{id}</id><referenceId>{reference}</referenceId></results>")
    };
    assert_eq!(
        (made.status, document(&made)),
        (
            201,
            format!(
                "<SObjectTreeResponse><hasErrors>false</hasErrors>{}{}</SObjectTreeResponse>",
                result(row["AccountId"].as_str().unwrap(), "ref1"),
                result(row["Id"].as_str().unwrap(), "ref2")
            )
            .as_str()
        )
    );
}

/// REST API guide, "Batch Request Body" (root `batch`); the elements in it are those that Apache Camel's tests of its
/// Salesforce component send and read.
#[tokio::test]
async fn batches_are_written_in_xml() {
    let (_org, api) = org().await;
    let id = id(&api).await;
    let body = format!(
        "<batch><haltOnError>true</haltOnError><batchRequests>\
         <batchRequest><method>PATCH</method><url>v66.0/sobjects/Account/{id}</url>\
         <richInput><Account><Name>NewName</Name></Account></richInput></batchRequest>\
         <batchRequest><method>GET</method><url>v66.0/sobjects/Account/{id}?fields=Name,Phone</url></batchRequest>\
         <batchRequest><method>GET</method><url>v66.0/nope</url></batchRequest>\
         <batchRequest><method>GET</method><url>v66.0/limits/</url></batchRequest>\
         </batchRequests></batch>"
    );
    let response = put(&api, Method::POST, "/composite/batch", &body).await;
    assert_eq!(
        (response.status, document(&response)),
        (
            200,
            format!(
                "<batchResults><hasErrors>true</hasErrors><results>\
                 <batchResult><statusCode>204</statusCode><result/></batchResult>\
                 <batchResult><statusCode>200</statusCode><result>\
                 <Account type=\"Account\" url=\"/services/data/v66.0/sobjects/Account/{id}\">\
                 <Name>NewName</Name><Phone {NIL}<Id>{id}</Id></Account></result></batchResult>\
                 <batchResult><statusCode>404</statusCode><result><Errors><Error>\
                 <message>The requested resource does not exist</message><errorCode>NOT_FOUND</errorCode>\
                 </Error></Errors></result></batchResult>\
                 <batchResult><statusCode>412</statusCode><result><Errors><Error>\
                 <message>Batch processing halted</message><errorCode>BATCH_PROCESSING_HALTED</errorCode>\
                 </Error></Errors></result></batchResult></results></batchResults>"
            )
            .as_str()
        )
    );
}

/// The guide shows collections in JSON only; in XML they have the elements of a tree (unverified).
#[tokio::test]
async fn collections_are_written_in_xml() {
    let (_org, api) = org().await;
    let body = "<request><allOrNone>true</allOrNone><records type=\"Account\"><Name>one</Name></records>\
                <records type=\"Contact\"><LastName>two</LastName></records></request>";
    let response = put(&api, Method::POST, "/composite/sobjects", body).await;
    assert!(document(&response).starts_with("<Results><Result><id>001"), "{response:?}");
    assert!(document(&response).contains("<success>true</success></Result><Result><id>003"), "{response:?}");
    let one = body.replace("<Name>one</Name>", "");
    let response = put(&api, Method::POST, "/composite/sobjects", &one).await;
    assert_eq!(response.body.matches("<success>false</success>").count(), 2, "all or none: {response:?}");
    assert!(response.body.contains("<statusCode>ALL_OR_NONE_OPERATION_ROLLED_BACK</statusCode>"));
}

/// REST API guide, "Composite" and "Composite Graph", and Bulk API 2.0 guide, "Create a Job": formats JSON.
#[tokio::test]
async fn some_resources_know_json_only() {
    let (_org, api) = org().await;
    for path in ["/composite", "/composite/graph", "/jobs/ingest", "/jobs/query"] {
        let response = put(&api, Method::POST, path, "<compositeRequest/>").await;
        assert_eq!(response.status, 415, "{path}");
        assert!(document(&response).contains("<errorCode>UNSUPPORTED_MEDIA_TYPE</errorCode>"), "{path}");
    }
}

/// Bodies that are no XML, and those made to hurt: entities that grow, files from elsewhere, depth.
#[tokio::test]
async fn what_is_no_xml_is_refused() {
    let (_org, api) = org().await;
    let deep = format!("{}{}", "<a>".repeat(200_000), "</a>".repeat(200_000));
    let laughs = "<!DOCTYPE a [<!ENTITY b 'ha'><!ENTITY c '&b;&b;&b;'>]><Account><Name>&c;</Name></Account>";
    let file = "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/hostname'>]><Account><Name>&b;</Name></Account>";
    for body in [
        "",
        "{\"Name\":\"x\"}",
        "<Account><Name>x</Account>",
        "<Account><Name>&b;</Name></Account>",
        laughs,
        file,
        &deep,
    ] {
        let response = put(&api, Method::POST, "/sobjects/Account", body).await;
        assert_eq!(response.status, 400, "{}", body.get(..40).unwrap_or(body));
        let text = document(&response);
        assert!(text.contains("<errorCode>XML_PARSER_ERROR</errorCode>") && text.len() < 500, "{text}");
    }
    let request = api.http.post(api.url("/sobjects/Account")).header("content-type", "application/xml");
    let response =
        send(request.bearer_auth(&api.token).body(b"<Account><Name>\xff</Name></Account>".to_vec())).await;
    assert_eq!(response.status, 400);
    assert_eq!(api.query("SELECT COUNT() FROM Account").await.json()["totalSize"], 1);
}
