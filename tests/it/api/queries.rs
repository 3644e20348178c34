//! Queries that need more than a URL: long texts, long lists, children beyond their first page; and what is said of
//! them.

use crate::support::{ADA, TestApp};
use actix_salesforce::{
    Error, Page,
    error::InvalidRequest,
    query::Cursor,
    soql::{BindError, DateLiteral, SoqlDate, SoqlDateTime, SoqlTime},
};
use futures_util::{StreamExt as _, TryStreamExt as _};
use salesforce_fake_org::{FakeOrg, Fault, FieldSpec, ObjectSpec};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Account {
    name: String,
}

async fn app(rows: u64, page: usize) -> TestApp {
    let org = FakeOrg::builder().rows(rows).page_size(page).start().await.unwrap();
    org.sign_in(&org.user(ADA));
    TestApp::around(org, |builder| builder).await
}

/// Beyond what a URL takes the text goes in a body; further pages are read as ever.
#[actix_web::test]
async fn a_long_query_is_asked_in_a_body() {
    let app = app(450, 200).await;
    let sf = app.connection().await;
    let all: Vec<Account> = sf.query("SELECT Name FROM Account").fetch_all().await.unwrap();
    let mut names: Vec<String> = all.iter().map(|account| account.name.clone()).collect();
    names.extend((0..1_500).map(|n| format!("absent's name {n}, with ä and '")));
    let query = || sf.query::<Account>("SELECT Name FROM Account WHERE Name IN :names").bind("names", &names);
    app.org.clear_requests();
    let mut found: Vec<_> = query().batch_size(200).fetch_all().await.unwrap();
    found.sort();
    let mut all = all;
    all.sort();
    assert_eq!(found, all);
    let asked: Vec<_> =
        app.org.requests().iter().map(|request| format!("{} {}", request.method, request.path)).collect();
    assert_eq!(asked[0], "POST /services/data/v66.0/composite");
    assert!(
        asked.len() == 3
            && asked[1..].iter().all(|line| line.starts_with("GET /services/data/v66.0/query/01g"))
    );
    assert_eq!(query().count().await.unwrap(), 450);
    assert!(query().fetch_optional().await.unwrap().is_some());
    assert_eq!(query().page().await.unwrap().records.len(), 200);

    let id = sf.sobject("Account").create(&json!({ "Name": "Gone" })).await.unwrap();
    sf.sobject("Account").delete(id).await.unwrap();
    names.push("Gone".into());
    let query = || sf.query::<Account>("SELECT Name FROM Account WHERE Name IN :names").bind("names", &names);
    assert_eq!(query().include_deleted().count().await.unwrap(), 451);
    assert_eq!(query().count().await.unwrap(), 450);
}

#[actix_web::test]
async fn a_long_query_fails_as_a_short_one() {
    let app = app(3, 200).await;
    let sf = app.connection().await;
    let names = vec!["x".repeat(100); 200];
    let query = |field: &str| {
        sf.query::<Account>(format!("SELECT {field} FROM Account WHERE Name IN :names")).bind("names", &names)
    };
    let error = query("Nonsense").fetch_all().await.unwrap_err();
    assert_eq!(
        (error.status(), error.api_errors()[0].code.as_str()),
        (Some(400), "INVALID_FIELD"),
        "{error:?}"
    );
    // It is a read: asked again when its response is lost.
    app.org.faults().path("/services/data/v66.0/composite", Fault::LoseResponse.once());
    assert_eq!(query("Name").fetch_all().await.unwrap(), []);
    for fault in [
        Fault::Garbage,
        Fault::Html,
        Fault::Empty200,
        Fault::Json(json!({ "compositeResponse": [] })),
        Fault::Json(json!({ "compositeResponse": [{ "httpStatusCode": 200, "body": null }] })),
        Fault::MergeJson(json!({ "compositeResponse": 5 })),
    ] {
        app.org.faults().clear();
        app.org.faults().path("/services/data/v66.0/composite", fault.clone());
        let error = query("Name").fetch_all().await.unwrap_err();
        assert!(matches!(error, Error::InvalidResponse(_)), "{fault:?}: {error:?}");
    }
    app.org.faults().clear();
    app.org.clear_requests();
    let names = vec!["x".repeat(100); 1_000];
    for error in [
        sf.query::<Account>("SELECT Name FROM Account WHERE Name IN :n").bind("n", &names).fetch_all().await,
        sf.tooling_query::<Account>("SELECT Name FROM ApexClass WHERE Name IN :n")
            .bind("n", &names[..200])
            .fetch_all()
            .await,
    ] {
        assert!(
            matches!(error, Err(Error::InvalidRequest(InvalidRequest::QueryTooLong { .. }))),
            "{error:?}"
        );
    }
    let plan = sf
        .query::<Account>("SELECT Name FROM Account WHERE Name IN :n")
        .bind("n", &names[..200])
        .explain()
        .await;
    assert!(matches!(plan, Err(Error::InvalidRequest(InvalidRequest::QueryTooLong { .. }))));
    assert!(app.org.requests().is_empty());
}

/// A list of any length; each row once, also when its value is there twice or in another case.
#[actix_web::test]
async fn a_list_that_fits_no_query_is_asked_in_parts() {
    let app = app(300, 200).await;
    let sf = app.connection().await;
    let all: Vec<Account> = sf.query("SELECT Name FROM Account").fetch_all().await.unwrap();
    let names: Vec<String> = all.iter().map(|account| account.name.clone()).collect();
    let mut list: Vec<String> = (0..9_000).map(|n| format!("absent's name {n}")).collect();
    list.extend(names.iter().cloned());
    list.extend(names.iter().map(|name| name.to_uppercase()));
    list.extend(names.iter().cloned());
    app.org.clear_requests();
    let query = |soql: &str| sf.query::<Account>(soql).bind("phone", "none").bind_chunked("names", &list);
    const SOQL: &str = "SELECT Name FROM Account WHERE Name IN :names AND Phone != :phone";
    let mut found: Vec<_> = query(SOQL).fetch_all().await.unwrap();
    found.sort();
    let mut all = all;
    all.sort();
    assert_eq!(found, all);
    let posts = app.org.requests().iter().filter(|request| request.method == "POST").count();
    assert!((2..6).contains(&posts), "{posts} parts");
    assert_eq!(query(SOQL).count().await.unwrap(), 300);

    app.org.clear_requests();
    for soql in [
        "SELECT Name FROM Account WHERE Name IN :names AND Phone != :phone LIMIT 5",
        "SELECT Name FROM Account WHERE Name NOT IN :names AND Phone != :phone",
        "SELECT Name FROM Account WHERE Name IN :names OR Phone != :phone",
    ] {
        let error = query(soql).fetch_all().await.unwrap_err();
        assert!(matches!(error, Error::Bind(BindError::NotInParts(_))), "{soql}: {error:?}");
    }
    let none = Vec::<String>::new();
    let empty = sf.query::<Account>("SELECT Name FROM Account WHERE Name IN :n").bind_chunked("n", none);
    assert!(matches!(empty.fetch_all().await, Err(Error::Bind(BindError::Value { .. }))));
    assert!(app.org.requests().is_empty());

    app.org.faults().path("/services/data/v66.0/composite", Fault::Status(500).times(9).skip(1));
    let rows: Vec<_> = query(SOQL).fetch().collect().await;
    assert!(
        rows.last().unwrap().is_err() && rows.iter().filter(|row| row.is_err()).count() == 1,
        "it ends with the error"
    );
}

/// Children beyond the first page of their parent.
#[actix_web::test]
async fn children_are_followed_beyond_their_first_page() {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Parent {
        name: String,
        contacts: Page<Contact>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Contact {
        last_name: String,
    }
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let parent = sf.sobject("Account").create(&json!({ "Name": "Parent" })).await.unwrap();
    let new = (0..450).map(|n| json!({ "LastName": format!("Child {n:03}"), "AccountId": parent }));
    let new: Vec<_> = new.collect();
    assert!(sf.sobject("Contact").create_many(&new).await.unwrap().iter().all(Result::is_ok));
    let parent: Parent = sf
        .query("SELECT Name, (SELECT LastName FROM Contacts ORDER BY LastName) FROM Account WHERE Id = :id")
        .bind("id", parent)
        .fetch_one()
        .await
        .unwrap();
    assert_eq!(parent.name, "Parent");
    let children: Vec<Contact> = sf.rows(parent.contacts).try_collect().await.unwrap();
    assert_eq!(children.len(), 450);
    assert!(children.iter().enumerate().all(|(n, child)| child.last_name == format!("Child {n:03}")));

    // A first page with more behind it, and one whose next page is gone.
    app.org.set_page_size(200);
    let page: Page<Contact> = sf.query("SELECT LastName FROM Contact").page().await.unwrap();
    assert!(page.next.is_some());
    let total = page.total_size.unwrap();
    assert_eq!(sf.rows(page).try_collect::<Vec<_>>().await.unwrap().len() as u64, total);
    let page: Page<Contact> = sf.query("SELECT LastName FROM Contact").page().await.unwrap();
    app.org.close_cursors();
    let rows: Vec<Result<Contact, Error>> = sf.rows(page).collect().await;
    let error = rows.into_iter().last().unwrap().err().unwrap();
    assert_eq!(error.api_errors()[0].code, "INVALID_QUERY_LOCATOR");
    // A page that is shorter than it says: the total is an estimate, or rows were deleted meanwhile (X-22).
    let short: Page<Value> =
        serde_json::from_value(json!({ "totalSize": 3, "done": true, "records": [{}] })).unwrap();
    let mut rows = sf.rows(short);
    assert_eq!((rows.by_ref().count().await, rows.missing_rows()), (1, 2));
}

/// A page at a time, its place kept as text in between, as a web page would keep it.
#[actix_web::test]
async fn pages_are_turned_by_their_cursors() {
    let app = app(450, 200).await;
    let sf = app.connection().await;
    let all: Vec<Account> = sf.query("SELECT Name FROM Account ORDER BY Name").fetch_all().await.unwrap();
    let mut page: Page<Account> = sf.query("SELECT Name FROM Account ORDER BY Name").page().await.unwrap();
    let (mut sizes, mut turned) = (vec![page.records.len()], page.records);
    while let Some(next) = page.next {
        let cursor: Cursor = next.to_string().parse().unwrap();
        page = sf.page(&cursor).await.unwrap();
        assert_eq!(page.total_size, Some(450));
        sizes.push(page.records.len());
        turned.append(&mut page.records);
    }
    assert_eq!((sizes, turned), (vec![200, 200, 50], all));

    let page: Page<Account> = sf.query("SELECT Name FROM Account").page().await.unwrap();
    let next = page.next.unwrap();
    app.org.expire_access_tokens();
    assert_eq!(
        sf.page::<Account>(&next).await.unwrap().records.len(),
        200,
        "the same cursor after a refresh"
    );
    app.org.close_cursors();
    let gone = sf.page::<Account>(&next).await.unwrap_err();
    assert_eq!((gone.status(), gone.api_errors()[0].code.as_str()), (Some(400), "INVALID_QUERY_LOCATOR"));
}

/// Plans, the cheapest first, and no row is read.
#[actix_web::test]
async fn a_query_is_explained() {
    let app = app(450, 200).await;
    let sf = app.connection().await;
    let query = |soql: &str| sf.query::<()>(soql).bind("name", "it's");
    app.org.clear_requests();
    let plans = query("SELECT Id FROM Account WHERE Name = :name").explain().await.unwrap();
    let plans = plans["plans"].as_array().unwrap();
    let costs: Vec<_> = plans.iter().map(|plan| plan["relativeCost"].as_f64().unwrap()).collect();
    assert!(costs.len() == 2 && costs.is_sorted(), "{costs:?}");
    assert_eq!((&plans[0]["leadingOperationType"], &plans[0]["cardinality"]), (&json!("Index"), &json!(0)));
    assert_eq!(
        (&plans[1]["leadingOperationType"], &plans[1]["sobjectCardinality"]),
        (&json!("TableScan"), &json!(450))
    );
    let asked = app.org.requests();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].path, "/services/data/v66.0/query");
    assert_eq!(asked[0].param("explain").as_deref(), Some(r"SELECT Id FROM Account WHERE Name = 'it\'s'"));
    assert_eq!(asked[0].param("q"), None);

    let refused = query("SELECT Nonsense FROM Account WHERE Name = :name").explain().await.unwrap_err();
    assert_eq!((refused.status(), refused.api_errors()[0].code.as_str()), (Some(400), "INVALID_FIELD"));
    app.org.faults().query(Fault::LoseResponse.once());
    assert!(query("SELECT Id FROM Account WHERE Name = :name").explain().await.is_ok(), "it is a read");
}

#[actix_web::test]
async fn rows_are_counted() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let all = sf.query::<()>("SELECT COUNT() FROM Account").count().await.unwrap();
    assert_eq!(sf.query::<()>("SELECT Id FROM Account").count().await.unwrap(), all);
    assert!(sf.query::<()>("SELECT COUNT() FROM Nonsense").count().await.is_err());
    let groups: Vec<Value> =
        sf.query("SELECT Industry, COUNT(Id) n FROM Account GROUP BY Industry").fetch_all().await.unwrap();
    assert_eq!(groups.iter().map(|group| group["n"].as_u64().unwrap()).sum::<u64>(), all);
}

/// Apex REST: what a class returns, and what is said where there is none.
#[actix_web::test]
async fn apex_classes_are_asked() {
    let org = FakeOrg::builder().apex("POST", "/orders/ship", 200, json!({ "tracking": "1Z" })).apex(
        "GET",
        "/broken",
        500,
        json!([{ "errorCode": "APEX_ERROR", "message": "canary" }]),
    );
    let org = org.start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let app = TestApp::around(org, |builder| builder).await;
    let sf = app.connection().await;
    for path in ["orders/ship", "/orders/ship"] {
        let response: Value =
            sf.apex_rest("POST", path).json(&json!({})).send().await.unwrap().json().unwrap();
        assert_eq!(response["tracking"], "1Z");
    }
    let error = sf.apex_rest("GET", "nothing").send().await.unwrap_err();
    assert_eq!((error.status(), error.api_errors()[0].code.as_str()), (Some(404), "NOT_FOUND"));
    let error = sf.apex_rest("GET", "broken").send().await.unwrap_err();
    assert_eq!((error.status(), error.api_errors()[0].code.as_str()), (Some(500), "APEX_ERROR"));
    assert!(!format!("{error} {error:?}").contains("canary"));
    // A POST that may have taken effect is not sent again.
    app.org.faults().path("/services/apexrest", Fault::LoseResponse);
    app.org.clear_requests();
    assert!(sf.apex_rest("POST", "orders/ship").json(&json!({})).send().await.is_err());
    assert_eq!(app.org.requests().len(), 1);
    for path in ["../data/v66.0/query", "a/../../b", "a//b", "a b"] {
        assert!(matches!(sf.apex_rest("GET", path).send().await, Err(Error::InvalidRequest(_))), "{path}");
    }
}

/// The Tooling API's queries, with their refusals.
#[actix_web::test]
async fn tooling_queries_go_to_the_tooling_api() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let response = json!({ "totalSize": 1, "done": true, "records": [{ "Name": "Ship" }] });
    app.org.faults().path("/services/data/v66.0/tooling/query", Fault::Json(response));
    let classes: Vec<Account> = sf.tooling_query("SELECT Name FROM ApexClass").fetch_all().await.unwrap();
    assert_eq!(classes, [Account { name: "Ship".into() }]);
    app.org.faults().clear();
    // Users are objects of both APIs. Several pages, with a bound value.
    app.org.set_page_size(1);
    app.org.clear_requests();
    let query = || {
        sf.tooling_query::<Account>("SELECT Name FROM User WHERE Name != :name ORDER BY Name")
            .bind("name", "it's")
    };
    let users = query().fetch_all().await.unwrap();
    assert!(users.len() > 1 && users.is_sorted(), "{users:?}");
    assert_eq!(query().count().await.unwrap(), users.len() as u64);
    let asked = app.org.requests();
    assert_eq!(asked[0].path, "/services/data/v66.0/tooling/query");
    assert_eq!(
        asked[0].param("q").as_deref(),
        Some(r"SELECT Name FROM User WHERE Name != 'it\'s' ORDER BY Name")
    );
    let error = sf.tooling_query::<Account>("SELECT Name FROM Nonsense").fetch_all().await.unwrap_err();
    assert_eq!(error.api_errors()[0].code, "INVALID_TYPE");
    assert!(app.org.requests().pop().unwrap().path.ends_with("/tooling/query"));
}

/// Days, moments, times of day and ranges: written, found by their bound values, and read back.
#[actix_web::test]
async fn dates_and_times_are_written_bound_and_read() {
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
    struct Shift {
        #[serde(rename = "Day__c")]
        day: SoqlDate,
        #[serde(rename = "Booked__c")]
        booked: SoqlDateTime,
        #[serde(rename = "Begins__c")]
        begins: SoqlTime,
    }
    let fields = [("Day__c", "date"), ("Booked__c", "datetime"), ("Begins__c", "time")];
    let object = fields
        .iter()
        .fold(ObjectSpec::new("Shift__c"), |object, (name, kind)| object.field(FieldSpec::new(name, kind)));
    let org = FakeOrg::builder().object(object).start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let app = TestApp::around(org, |builder| builder).await;
    let sf = app.connection().await;
    let now = SoqlDateTime::try_from(app.org.now()).unwrap();
    let early = Shift {
        day: SoqlDate::new(2024, 2, 29).unwrap(),
        booked: "2023-12-31T23:59:59.999Z".parse().unwrap(),
        begins: SoqlTime::new(6, 0, 0, 0).unwrap(),
    };
    let late = Shift {
        day: now.to_string()[..10].parse().unwrap(),
        booked: now,
        begins: SoqlTime::new(23, 59, 59, 999).unwrap(),
    };
    for shift in [early, late] {
        sf.sobject("Shift__c").create(&shift).await.unwrap();
    }
    let select = |condition: &str| {
        sf.query::<Shift>(format!(
            "SELECT Day__c, Booked__c, Begins__c FROM Shift__c WHERE {condition} ORDER BY Day__c"
        ))
    };
    for (found, query) in [
        (vec![early], select("Day__c = :v").bind("v", early.day)),
        (vec![late], select("Day__c > :v").bind("v", early.day)),
        (vec![early, late], select("Day__c IN :v").bind("v", [early.day, late.day])),
        (vec![early], select("Booked__c = :v").bind("v", early.booked)),
        (vec![late], select("Booked__c > :v").bind("v", early.booked)),
        (vec![early], select("Begins__c = :v").bind("v", early.begins)),
        (vec![late], select("Begins__c > :v").bind("v", early.begins)),
        (vec![late], select("Day__c >= :v").bind("v", DateLiteral::LastNDays(2))),
        (vec![early], select("Booked__c < :v").bind("v", DateLiteral::NDaysAgo(2))),
        (vec![], select("Day__c > :v").bind("v", DateLiteral::Tomorrow)),
    ] {
        let asked = format!("{query:?}");
        let rows = query
            .fetch_all()
            .await
            .unwrap_or_else(|error| panic!("{asked}: {error:?} {:?}", error.api_errors()));
        assert_eq!(rows, found, "{asked}");
    }
}
