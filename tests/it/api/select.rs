//! Queries made from a struct ask for what it reads, no less and no more.

use crate::support::{ADA, TestApp};
use actix_salesforce::{
    Error, Page, Query, SObject, SalesforceId,
    soql::{BindError, FieldName, Like},
};
use futures_util::TryStreamExt as _;
use salesforce_fake_org::FakeOrg;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Debug, Deserialize, Serialize, SObject)]
#[serde(rename_all = "PascalCase")]
struct Account {
    id: SalesforceId,
    name: String,
    annual_revenue: Option<f64>,
    #[sobject(value)]
    industry: Option<Industry>,
    #[serde(rename(deserialize = "ExternalKey__c"))]
    key: Option<String>,
    #[serde(skip)]
    _note: String,
    owner: Person,
    parent: Option<Box<ParentAccount>>,
    #[serde(deserialize_with = "actix_salesforce::serde_helpers::child_records")]
    #[sobject(filter = "Email LIKE :mail", order_by = "LastName DESC", limit = 2)]
    contacts: Vec<Contact>,
    #[serde(rename(deserialize = "Projects__r"), skip_serializing)]
    projects: Page<Project>,
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
enum Industry {
    Technology,
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize, Serialize, SObject)]
#[serde(rename_all = "PascalCase")]
struct Person {
    name: String,
    profile: Option<Profile>,
}

#[derive(Debug, Deserialize, Serialize, SObject)]
#[serde(rename_all = "PascalCase")]
struct Profile {
    name: String,
}

#[derive(Debug, Deserialize, Serialize, SObject)]
#[sobject(name = "Account")]
#[serde(rename_all = "PascalCase")]
struct ParentAccount {
    name: String,
}

#[derive(Debug, Deserialize, Serialize, SObject)]
#[serde(rename_all = "PascalCase")]
struct Contact {
    last_name: String,
    owner: Person,
}

#[derive(Debug, Deserialize, SObject)]
#[sobject(name = "Project__c")]
struct Project {
    #[serde(rename = "Code__c")]
    code: Option<String>,
    #[serde(rename = "Account__r")]
    account: Option<ParentAccount>,
    #[serde(flatten)]
    audit: Audit,
}

#[derive(Debug, Deserialize, SObject)]
#[serde(rename_all = "PascalCase")]
struct Audit {
    created_date: String,
}

const SOQL: &str = "SELECT Id, Name, AnnualRevenue, Industry, ExternalKey__c, Owner.Name, Owner.Profile.Name, Parent.Name, \
    (SELECT LastName, Owner.Name, Owner.Profile.Name FROM Contacts WHERE Email LIKE :mail ORDER BY LastName DESC LIMIT 2), \
    (SELECT Code__c, Account__r.Name, CreatedDate FROM Projects__r) FROM Account";

async fn app() -> TestApp {
    let org = FakeOrg::builder()
        .records("Account", &[json!({ "Name": "Zebra Holding", "ExternalKey__c": "zebra" })])
        .start()
        .await
        .unwrap();
    org.sign_in(&org.user(ADA));
    let app = TestApp::around(org, |builder| builder).await;
    let sf = app.connection().await;
    let child = json!({
        "Name": "Zebra 1", "Industry": "Technology", "AnnualRevenue": 5, "Parent": { "ExternalKey__c": "zebra" },
    });
    let id = sf.sobject("Account").create(&child).await.unwrap();
    sf.sobject("Account").create(&json!({ "Name": "Zebra 2", "Industry": "Media" })).await.unwrap();
    let contacts = ["Ash", "Beech", "Cedar", "Dogwood"].map(|name| {
        let mail = if name == "Dogwood" { "d@other.example" } else { "x@zebra.example" };
        json!({ "LastName": name, "Email": mail, "AccountId": id })
    });
    let made = sf.sobject("Contact").create_many(&contacts).await.unwrap();
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    sf.sobject("Project__c")
        .create(&json!({ "Name": "P", "Code__c": "Z-1", "Account__c": id }))
        .await
        .unwrap();
    app.org.clear_requests();
    app
}

fn asked(app: &TestApp) -> Vec<String> {
    let requests = app.org.requests();
    let queries = requests.iter().filter(|request| request.path.ends_with("/query"));
    queries.filter_map(|request| request.param("q")).collect()
}

#[actix_web::test]
async fn a_query_asks_for_what_the_struct_reads() {
    assert_eq!((Account::NAME, Account::soql().as_str()), ("Account", SOQL));
    let app = app().await;
    let sf = app.connection().await;
    let accounts = sf
        .select::<Account>()
        .filter("Name LIKE :name OR Name = 'absent'")
        .filter("Id != null")
        .bind("name", Like::starts_with("Zebra "))
        .bind("mail", Like::ends_with("@zebra.example"))
        .order_by("Name DESC NULLS LAST")
        .order_by(":then")
        .bind("then", "Owner.Name".parse::<FieldName>().unwrap())
        .limit(10)
        .offset(0)
        .fetch_all()
        .await
        .unwrap();
    let names: Vec<_> = accounts.iter().map(|account| account.name.as_str()).collect();
    assert_eq!(names, ["Zebra Holding", "Zebra 2", "Zebra 1"]);
    let (holding, other, child) = (&accounts[0], &accounts[1], &accounts[2]);
    assert_eq!(holding.key.as_deref(), Some("zebra"));
    assert!(holding.parent.is_none() && holding.contacts.is_empty() && holding.projects.records.is_empty());
    assert_eq!((&other.industry, other.annual_revenue), (&Some(Industry::Other), None));
    assert_eq!((&child.industry, child.annual_revenue), (&Some(Industry::Technology), Some(5.0)));
    assert_eq!(child.parent.as_ref().unwrap().name, "Zebra Holding");
    assert!(!child.owner.name.is_empty() && !child.owner.profile.as_ref().unwrap().name.is_empty());
    let contacts: Vec<_> = child.contacts.iter().map(|contact| contact.last_name.as_str()).collect();
    assert_eq!(contacts, ["Cedar", "Beech"], "filtered, ordered and limited");
    let project = &child.projects.records[0];
    assert_eq!(project.code.as_deref(), Some("Z-1"));
    assert_eq!(project.account.as_ref().unwrap().name, "Zebra 1");
    assert!(project.audit.created_date.contains('T'));
    let tail = " WHERE (Name LIKE 'Zebra %' OR Name = 'absent') AND (Id != null) ORDER BY Name DESC NULLS LAST, Owner.Name \
                LIMIT 10";
    assert_eq!(asked(&app), [SOQL.replace(":mail", "'%@zebra.example'") + tail]);
}

#[derive(Debug, PartialEq, Deserialize, SObject)]
#[sobject(name = "Account")]
struct Name<T> {
    #[serde(rename = "Name")]
    name: T,
}

#[actix_web::test]
async fn it_is_a_query_like_any_other() {
    let app = app().await;
    let sf = app.connection().await;
    let zebras = || sf.select::<Name<String>>().filter("Name LIKE 'Zebra%'").order_by("Name");
    let streamed: Vec<_> = zebras().fetch().try_collect().await.unwrap();
    assert_eq!(streamed.len(), 3);
    assert_eq!(zebras().fetch_one().await.unwrap(), streamed[0]);
    assert_eq!(zebras().offset(1).page().await.unwrap().records, streamed[1..]);
    assert_eq!(Query::from(zebras().limit(1)).fetch_all().await.unwrap(), streamed[..1]);
    assert_eq!(zebras().count().await.unwrap(), 3);
    assert_eq!(zebras().limit(2).count().await.unwrap(), 2);
    let absent = sf.select::<Name<String>>().filter("Name = :name").bind("name", "absent");
    assert!(absent.fetch_optional().await.unwrap().is_none());
    let absent = sf.select::<Name<String>>().filter("Name = 'absent'").fetch_one().await;
    assert!(matches!(absent, Err(Error::RowNotFound)), "{absent:?}");

    let id = zebras().into_query().fetch_all().await.map(|rows| rows.len()).unwrap();
    assert_eq!(id, 3);
    let all: Vec<serde_json::Value> =
        sf.query("SELECT Id FROM Account WHERE Name = 'Zebra 2'").fetch_all().await.unwrap();
    sf.sobject("Account").delete(all[0]["Id"].as_str().unwrap()).await.unwrap();
    assert_eq!(zebras().count().await.unwrap(), 2);
    assert_eq!(zebras().include_deleted().count().await.unwrap(), 3);
}

#[actix_web::test]
async fn what_does_not_fit_is_an_error_before_anything_is_sent_or_salesforces_own() {
    let app = app().await;
    let sf = app.connection().await;
    let unbound = sf.select::<Account>().fetch_all().await;
    assert!(matches!(&unbound, Err(Error::Bind(BindError::Unbound(name))) if name == "mail"), "{unbound:?}");
    let unused = sf.select::<Name<String>>().bind("x", 1).fetch_all().await;
    assert!(matches!(unused, Err(Error::Bind(BindError::Unused(_)))), "{unused:?}");
    assert!(asked(&app).is_empty());

    #[derive(Debug, Deserialize, SObject)]
    #[sobject(name = "Nonsense__c")]
    struct Nonsense {
        #[serde(rename = "Name")]
        _name: String,
    }
    let unknown = sf.select::<Nonsense>().fetch_all().await.unwrap_err();
    assert_eq!((unknown.status(), unknown.api_errors()[0].code.as_str()), (Some(400), "INVALID_TYPE"));
}

/// A part of the children is never taken for all of them.
#[actix_web::test]
async fn children_that_do_not_fit_a_page_do_not_vanish_in_a_vec() {
    #[derive(Debug, Deserialize, SObject)]
    #[serde(rename_all = "PascalCase")]
    #[sobject(name = "Account")]
    struct Few {
        #[serde(deserialize_with = "actix_salesforce::serde_helpers::child_records")]
        contacts: Vec<Name<String>>,
    }
    let app = app().await;
    let sf = app.connection().await;
    let page = json!({
        "totalSize": 1, "done": true,
        "records": [{ "Contacts": {
            "totalSize": 3000, "done": false, "nextRecordsUrl": "/services/data/v66.0/query/01gD0000002HU6KIAW-2000",
            "records": [{ "Name": "x" }],
        } }],
    });
    app.org.faults().query(salesforce_fake_org::Fault::Json(page));
    // The rest is asked for, and this org does not have it.
    assert!(sf.select::<Few>().fetch_all().await.is_err());
    app.org.faults().clear();
    assert!(sf.select::<Few>().fetch_all().await.unwrap().iter().any(|account| !account.contacts.is_empty()));
}
