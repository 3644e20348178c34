//! Several calls in one: composites, graphs, batches and trees, what each call gave, and what Salesforce says when it
//! refuses some or all of them.

use std::time::Duration;

use crate::support::{ADA, TestApp};
use actix_salesforce::{
    Connection, Error, Page, SObject, SalesforceId,
    composite::{Graph, Subrequest, TreeError},
    error::InvalidRequest,
};
use salesforce_fake_org::{FakeOrg, Fault, Route};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize, SObject)]
#[serde(rename_all = "PascalCase")]
struct Contact {
    last_name: String,
    account_id: Option<SalesforceId>,
}

fn code(error: &Error) -> (Option<u16>, &str) {
    (error.status(), error.api_errors().first().map_or("", |entry| &entry.code))
}

async fn count(sf: &Connection, like: &'static str) -> u64 {
    sf.select::<Name>().filter("Name LIKE :like").bind("like", like).count().await.unwrap()
}

#[derive(Debug, Deserialize, SObject)]
#[sobject(name = "Account")]
struct Name {
    #[serde(rename = "Name")]
    _name: String,
}

#[actix_web::test]
async fn a_composite_uses_what_came_before() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let before = app.org.api_calls();
    let mut calls = sf.composite().all_or_none(true).collate_subrequests(false);
    let account = calls.create("Account", &json!({ "Name": "Acme" })).unwrap();
    let contact =
        calls.create("Contact", &json!({ "LastName": "Lovelace", "AccountId": account.id() })).unwrap();
    let change = calls.update("Account", &account, &json!({ "Phone": "7" })).unwrap();
    let read = calls.retrieve::<Value>("Account", account.id(), &["Name", "Phone"]).unwrap();
    let name = read.field("Name").unwrap();
    let keyed = calls.upsert("Account", "ExternalKey__c", "a/b @{x}", &json!({ "Name": name })).unwrap();
    let find = sf.select::<Contact>().filter("LastName = :name").bind("name", "Lovelace");
    let found = calls.query(find).unwrap();
    let child = json!({ "LastName": "Byron", "AccountId": found.field("records[0].AccountId").unwrap() });
    let child = calls.create("Contact", &child).unwrap();
    let gone = calls.delete("Account", &keyed).unwrap();
    let limits = calls.add(Subrequest::<Value>::request("get", "limits", None).unwrap()).unwrap();
    let responses = calls.send().await.unwrap();
    responses.check().unwrap();
    assert_eq!(app.org.api_calls() - before, 1, "one call");

    let id = responses.get(&account).unwrap();
    responses.get(&change).unwrap();
    responses.get(&gone).unwrap();
    assert_eq!(responses.get(&read).unwrap()["Phone"], "7");
    assert!(responses.get(&keyed).unwrap().created);
    assert!(responses.get(&limits).unwrap()["DailyApiRequests"]["Max"].is_u64());
    let page: Page<Contact> = responses.get(&found).unwrap();
    assert_eq!((page.records[0].last_name.as_str(), page.records[0].account_id), ("Lovelace", Some(id)));
    for contact in [contact, child] {
        let made: Contact = sf.sobject("Contact").retrieve(responses.get(&contact).unwrap()).await.unwrap();
        assert_eq!(made.account_id, Some(id));
    }
    let deleted =
        sf.sobject("Account").retrieve::<Value>(responses.get(&keyed).unwrap().id).await.unwrap_err();
    assert_eq!(code(&deleted), (Some(404), "ENTITY_IS_DELETED"));

    app.org.clear_requests();
    assert!(sf.composite().send().await.unwrap().check().is_ok());
    assert!(app.org.requests().is_empty(), "nothing to ask");
}

/// What each call was refused for reaches the caller as if the call had been sent alone.
#[actix_web::test]
async fn a_call_that_is_refused_says_why_and_the_others_what_they_gave() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let accounts = sf.sobject("Account");
    for name in ["One", "Two"] {
        accounts.create(&json!({ "Name": name, "LegacyCode__c": "L-1" })).await.unwrap();
    }
    let id = accounts.create(&json!({ "Name": "Acme" })).await.unwrap();
    let (_, known) = accounts.retrieve_revision::<Value>(id, &[]).await.unwrap();
    app.org.advance(Duration::from_secs(2));
    accounts.update(id, &json!({ "Phone": "1" })).await.unwrap();

    let mut calls = sf.composite();
    let good = calls.create("Account", &json!({ "Name": "Kept" })).unwrap();
    let bad = calls.create("Account", &json!({})).unwrap();
    let many = calls.upsert("Account", "LegacyCode__c", "L-1", &json!({ "Name": "x" })).unwrap();
    let stale = Subrequest::update("Account", id, &json!({ "Phone": "2" })).unwrap().if_match(&known);
    let stale = calls.add(stale).unwrap();
    let missing = calls.retrieve::<Value>("Account", "001D000000IqhSL", &[]).unwrap();
    let follows = calls.create("Contact", &json!({ "LastName": "x", "AccountId": bad.id() })).unwrap();
    let responses = calls.send().await.unwrap();
    assert!(responses.get(&good).is_ok());
    let refused = responses.get(&bad).unwrap_err();
    assert_eq!(
        (code(&refused), &*refused.api_errors()[0].fields[0]),
        ((Some(400), "REQUIRED_FIELD_MISSING"), "Name")
    );
    let several = responses.get(&many).unwrap_err();
    assert!(matches!(several, Error::MultipleChoices { candidates, .. } if candidates.len() == 2));
    assert!(matches!(responses.get(&stale), Err(Error::PreconditionFailed)));
    assert_eq!(code(&responses.get(&missing).unwrap_err()), (Some(404), "NOT_FOUND"));
    assert_eq!(code(&responses.get(&follows).unwrap_err()), (Some(400), "PROCESSING_HALTED"));
    assert_eq!(code(&responses.check().unwrap_err()).1, "REQUIRED_FIELD_MISSING");

    let mut calls = sf.composite().all_or_none(true);
    let good = calls.create("Account", &json!({ "Name": "Taken back" })).unwrap();
    let bad = calls.create("Account", &json!({})).unwrap();
    let responses = calls.send().await.unwrap();
    assert_eq!(code(&responses.get(&good).unwrap_err()), (Some(400), "PROCESSING_HALTED"));
    assert_eq!(
        code(&responses.check().unwrap_err()).1,
        "REQUIRED_FIELD_MISSING",
        "the cause, not what it caused"
    );
    assert_eq!(count(&sf, "Taken back").await, 0);

    let other = sf.composite().send().await.unwrap();
    assert!(matches!(other.get(&bad), Err(Error::InvalidResponse(_))), "a call of another composite");
}

/// What a user typed stays text: it cannot bring out what another call gave.
#[actix_web::test]
async fn a_text_that_looks_like_a_reference_is_not_sent() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    app.org.clear_requests();
    let mut calls = sf.composite();
    let secret = calls.retrieve::<Value>("Organization", sf.organization_id(), &["Name"]).unwrap();
    for typed in ["@{ref0.Name}", "@{x.id}", "Hello @{", "@{{}}"] {
        let outcome = calls.create("Account", &json!({ "Name": typed, "Description": [typed] }));
        assert!(
            matches!(outcome, Err(Error::InvalidRequest(InvalidRequest::Reference))),
            "{typed}: {outcome:?}"
        );
        assert!(calls.update("Account", typed, &json!({})).is_err());
    }
    let mut other = sf.composite();
    assert!(
        other.create("Account", &json!({ "Name": secret.field("Name").unwrap() })).is_err(),
        "of another composite"
    );
    for name in ["Account/x", "", "Account?"] {
        assert!(calls.create(name, &json!({})).is_err());
        assert!(calls.retrieve::<Value>("Account", secret.field("Name").unwrap(), &[name]).is_err());
    }
    for (method, resource) in
        [("GET", "../x"), ("GET", "a b"), ("TRACE", "limits"), ("GET", "sobjects/@{x.id}")]
    {
        assert!(Subrequest::<Value>::request(method, resource, None).is_err(), "{method} {resource}");
    }
    for (name, value) in [("Authorization", "x"), ("Host", "x"), ("X-Y\r\n", "x"), ("X-Y", "x\r\ny")] {
        assert!(
            Subrequest::delete("Account", "001D000000IqhSL").unwrap().header(name, value).is_err(),
            "{name}"
        );
    }
    let mut calls = sf.composite();
    for _ in 0..5 {
        calls.query(sf.query::<Value>("SELECT Id FROM Account")).unwrap();
    }
    let sixth = calls.query(sf.query::<Value>("SELECT Id FROM Account"));
    assert!(
        matches!(sixth, Err(Error::InvalidRequest(InvalidRequest::TooManyCalls { limit: 5, .. }))),
        "{sixth:?}"
    );
    for _ in 0..20 {
        calls.create("Account", &json!({ "Name": "x" })).unwrap();
    }
    let more = calls.create("Account", &json!({ "Name": "x" }));
    assert!(
        matches!(more, Err(Error::InvalidRequest(InvalidRequest::TooManyCalls { limit: 25, .. }))),
        "{more:?}"
    );
    assert!(app.org.requests().is_empty());
}

/// What a query says beside its text is sent with it, or is an error where it cannot be.
#[actix_web::test]
async fn a_query_keeps_its_page_size_or_is_not_sent() {
    let org = FakeOrg::builder().rows(450).start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let app = TestApp::around(org, |builder| builder).await;
    let sf = app.connection().await;
    let query = || sf.query::<Value>("SELECT Id FROM Account").batch_size(200);
    let mut calls = sf.composite();
    let found = calls.query(query()).unwrap();
    let page = calls.send().await.unwrap().get(&found).unwrap();
    assert_eq!((page.records.len(), page.total_size), (200, Some(450)));
    assert_eq!(sf.page::<Value>(&page.next.unwrap()).await.unwrap().records.len(), 200);
    let mut graph = Graph::new();
    let found = graph.query(query()).unwrap();
    assert_eq!(sf.graphs([graph]).await.unwrap().get(&found).unwrap().records.len(), 200);
    let refused = sf.batch().query(query()).unwrap_err();
    assert!(matches!(refused, Error::InvalidRequest(InvalidRequest::Header)), "{refused:?}");
}

#[actix_web::test]
async fn the_calls_of_a_batch_stand_each_on_its_own() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let id = sf.sobject("Account").create(&json!({ "Name": "Acme" })).await.unwrap();
    let before = app.org.api_calls();
    let mut calls = sf.batch();
    let made = calls.create("Account", &json!({ "Name": "@{is text here}" })).unwrap();
    let bad = calls.create("Account", &json!({})).unwrap();
    let change = calls.update("Account", id, &json!({ "Phone": "1" })).unwrap();
    let keyed = calls.upsert("Account", "ExternalKey__c", "k", &json!({ "Name": "x" })).unwrap();
    let read = calls.retrieve::<Value>("Account", id.as_str(), &["Phone"]).unwrap();
    let found =
        calls.query(sf.query::<Value>("SELECT Id FROM Account WHERE Name = :n").bind("n", "Acme")).unwrap();
    let gone = calls.delete("Account", id).unwrap();
    let responses = calls.send().await.unwrap();
    assert_eq!(app.org.api_calls() - before, 7, "each counts");
    let made: Value = sf.sobject("Account").retrieve(responses.get(&made).unwrap()).await.unwrap();
    assert_eq!(made["Name"], "@{is text here}");
    assert_eq!(code(&responses.get(&bad).unwrap_err()), (Some(400), "REQUIRED_FIELD_MISSING"));
    responses.get(&change).unwrap();
    assert!(responses.get(&keyed).unwrap().created);
    assert_eq!(responses.get(&read).unwrap()["Phone"], "1");
    assert_eq!(responses.get(&found).unwrap().records.len(), 1);
    responses.get(&gone).unwrap();

    let mut calls = sf.batch().halt_on_error(true);
    calls.create("Account", &json!({ "Name": "Done before" })).unwrap();
    let bad = calls.create("Account", &json!({})).unwrap();
    let after = calls.create("Account", &json!({ "Name": "Never done" })).unwrap();
    let responses = calls.send().await.unwrap();
    assert_eq!(code(&responses.get(&bad).unwrap_err()), (Some(400), "REQUIRED_FIELD_MISSING"));
    assert_eq!(code(&responses.get(&after).unwrap_err()), (Some(412), "BATCH_PROCESSING_HALTED"));
    assert_eq!((count(&sf, "Done before").await, count(&sf, "Never done").await), (1, 0));

    let mut composite = sf.composite();
    let earlier = composite.create("Account", &json!({ "Name": "x" })).unwrap();
    let mut calls = sf.batch();
    assert!(calls.delete("Account", &earlier).is_err(), "there are no references in a batch");
    assert!(
        calls.add(Subrequest::delete("Account", id).unwrap().header("If-Match", "\"x\"").unwrap()).is_err()
    );
    for _ in 0..25 {
        calls.retrieve::<Value>("Account", id, &[]).unwrap();
    }
    assert!(calls.retrieve::<Value>("Account", id, &[]).is_err(), "25 at most");
    assert!(matches!(sf.batch().send().await.unwrap().get(&after), Err(Error::InvalidResponse(_))));
}

#[actix_web::test]
async fn each_graph_is_done_all_or_none() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let before = app.org.api_calls();
    let mut good = Graph::new();
    let account = good.create("Account", &json!({ "Name": "Graph good" })).unwrap();
    let contact = good.create("Contact", &json!({ "LastName": "x", "AccountId": account.id() })).unwrap();
    let mut bad = Graph::new();
    let undone = bad.create("Account", &json!({ "Name": "Graph bad" })).unwrap();
    bad.create("Contact", &json!({ "AccountId": undone.id() })).unwrap();
    let mut big = Graph::new();
    let root = big.create("Account", &json!({ "Name": "Graph big" })).unwrap();
    let mut last = root.clone();
    for _ in 0..60 {
        last = big.create("Account", &json!({ "Name": "Graph big", "ParentId": root.id() })).unwrap();
    }
    assert!(
        big.create("Contact", &json!({ "LastName": "x", "AccountId": account.id() })).is_err(),
        "of another graph"
    );
    let responses = sf.graphs([good, Graph::new(), bad, big]).await.unwrap();
    assert_eq!(app.org.api_calls() - before, 1);
    let outcomes: Vec<_> = responses.outcomes().collect();
    assert_eq!(outcomes.len(), 3, "one without calls has no outcome");
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
    assert_eq!(code(outcomes[1].as_ref().unwrap_err()), (Some(400), "REQUIRED_FIELD_MISSING"));
    assert_eq!(code(&responses.get(&undone).unwrap_err()), (Some(400), "PROCESSING_HALTED"));
    let made: Contact = sf.sobject("Contact").retrieve(responses.get(&contact).unwrap()).await.unwrap();
    assert_eq!(made.account_id, Some(responses.get(&account).unwrap()));
    assert!(responses.get(&last).is_ok());
    assert_eq!((count(&sf, "Graph bad").await, count(&sf, "Graph big").await), (0, 61));

    let one = || {
        let mut graph = Graph::new();
        graph.delete("Account", "001D000000IqhSL").unwrap();
        graph
    };
    let many = sf.graphs((0..76).map(|_| one())).await;
    assert!(
        matches!(many, Err(Error::InvalidRequest(InvalidRequest::TooManyCalls { limit: 75, .. }))),
        "{many:?}"
    );
    let full = || {
        let mut graph = Graph::new();
        for _ in 0..251 {
            graph.delete("Account", "001D000000IqhSL").unwrap();
        }
        graph
    };
    let many = sf.graphs([full(), full()]).await;
    assert!(
        matches!(many, Err(Error::InvalidRequest(InvalidRequest::TooManyCalls { limit: 500, .. }))),
        "{many:?}"
    );
}

#[actix_web::test]
async fn a_tree_is_made_with_all_its_children_or_not_at_all() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let mut tree = sf.tree("Account").unwrap();
    let first = tree.add(&json!({ "Name": "Tree one" })).unwrap();
    let ada = tree.add_child(&first, "Contacts", "Contact", &json!({ "LastName": "Ada" })).unwrap();
    let second = tree.add(&json!({ "Name": "Tree two" })).unwrap();
    let below = tree.add_child(&first, "ChildAccounts", "Account", &json!({ "Name": "Tree below" })).unwrap();
    let bob = tree.add_child(&below, "Contacts", "Contact", &json!({ "LastName": "Bob" })).unwrap();
    let eve = tree.add_child(&first, "Contacts", "Contact", &json!({ "LastName": "Eve" })).unwrap();
    let ids = tree.send().await.unwrap();
    for (child, name, parent) in [(&ada, "Ada", &first), (&bob, "Bob", &below), (&eve, "Eve", &first)] {
        let contact: Contact = sf.sobject("Contact").retrieve(ids.get(child).unwrap()).await.unwrap();
        assert_eq!((&*contact.last_name, contact.account_id), (name, Some(ids.get(parent).unwrap())));
    }
    let two: Value = sf.sobject("Account").retrieve(ids.get(&second).unwrap()).await.unwrap();
    assert_eq!((&two["Name"], &two["ParentId"]), (&json!("Tree two"), &Value::Null));

    let mut tree = sf.tree("Account").unwrap();
    let fine = tree.add(&json!({ "Name": "Tree refused" })).unwrap();
    let bad = tree.add_child(&fine, "Contacts", "Contact", &json!({ "FirstName": "canary" })).unwrap();
    let error = tree.send().await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("canary"));
    let TreeError::Refused(refused) = error else { panic!("{error:?}") };
    assert!(refused.len() == 1 && refused[0].node == bad);
    assert_eq!(refused[0].errors[0].code, "REQUIRED_FIELD_MISSING");
    let as_one = Error::from(TreeError::Refused(refused));
    assert_eq!(code(&as_one), (Some(400), "REQUIRED_FIELD_MISSING"));
    assert_eq!(count(&sf, "Tree refused").await, 0);

    let mut other = sf.tree("Account").unwrap();
    assert!(other.add_child(&bad, "Contacts", "Contact", &json!({})).is_err(), "a parent of another tree");
    assert!(other.add(&json!(["no object"])).is_err());
    assert!(matches!(ids.get(&bad), Err(Error::InvalidResponse(_))));
    for _ in 0..200 {
        other.add(&json!({ "Name": "x" })).unwrap();
    }
    assert!(other.add(&json!({ "Name": "x" })).is_err(), "200 at most");
    assert!(sf.tree("Account/x").is_err());
    let mut wrong = sf.tree("Account").unwrap();
    let parent = wrong.add(&json!({ "Name": "x" })).unwrap();
    wrong.add_child(&parent, "Nothings", "Contact", &json!({ "LastName": "x" })).unwrap();
    let error = wrong.send().await.unwrap_err();
    assert!(
        matches!(&error, TreeError::Call(error) if code(error) == (Some(400), "INVALID_FIELD")),
        "{error:?}"
    );
    sf.tree("Account").unwrap().send().await.unwrap();
}

/// The whole refused, broken or lost: a typed error for each of the four, sent again only if that does no harm.
#[actix_web::test]
async fn what_is_wrong_with_the_whole_is_an_error_of_the_whole() {
    async fn each(sf: &Connection, record: &Value) -> [Option<Error>; 4] {
        let mut composite = sf.composite();
        composite.create("Account", record).unwrap();
        let mut batch = sf.batch();
        batch.create("Account", record).unwrap();
        let mut graph = Graph::new();
        graph.create("Account", record).unwrap();
        let mut tree = sf.tree("Account").unwrap();
        tree.add(record).unwrap();
        [
            composite.send().await.err(),
            batch.send().await.err(),
            sf.graphs([graph]).await.err(),
            tree.send().await.err().map(Error::from),
        ]
    }
    let app = TestApp::start().await;
    let sf = app.connection().await.with_timeout(Duration::from_secs(5));
    let record = json!({ "Name": "Whole" });
    for fault in [
        Fault::Html,
        Fault::Garbage,
        Fault::Empty200,
        Fault::DeepJson,
        Fault::Json(json!({ "graphs": [],
        "results": [], "compositeResponse": [] })),
    ] {
        app.org.faults().at(Route::Api, fault.clone());
        for error in each(&sf, &record).await {
            assert!(matches!(error, Some(Error::InvalidResponse(_))), "{fault:?}: {error:?}");
        }
        app.org.faults().clear();
    }
    let refusal = Fault::ApiError { status: 400, code: "LIMIT_EXCEEDED".into(), message: "m".into() };
    app.org.faults().at(Route::Api, refusal);
    for error in each(&sf, &record).await {
        assert_eq!(code(&error.unwrap()), (Some(400), "LIMIT_EXCEEDED"));
    }
    app.org.faults().clear();
    assert_eq!(count(&sf, "Whole").await, 0);
    app.org.faults().path("/services/data/v66.0/composite", Fault::LoseResponse);
    for error in each(&sf, &record).await {
        assert!(matches!(error, Some(Error::Http(_))), "{error:?}");
    }
    app.org.faults().clear();
    assert_eq!(count(&sf, "Whole").await, 4, "each took effect, and none was sent again");

    app.org.faults().path("/services/data/v66.0/composite", Fault::LoseResponse.times(1));
    let mut reads = sf.composite();
    let read = reads.retrieve::<Value>("Organization", sf.organization_id(), &["Name"]).unwrap();
    reads.upsert("Account", "ExternalKey__c", "again", &record).unwrap();
    assert!(reads.send().await.unwrap().get(&read).is_ok(), "reading and upserting twice does no harm");

    app.org.expire_access_tokens();
    assert_eq!(each(&sf, &record).await.iter().flatten().count(), 0);
    assert_eq!(app.refreshes(), 1);
}
