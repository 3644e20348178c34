//! Pages of an app's own design are no dead ends: each choice and each button of the page works.

use crate::support::{ADA, Client, LOGIN, Page, TestApp, client::encoded};
use actix_salesforce::pages::{HtmlPage, LoginPage};
use salesforce_fake_org::FakeOrg;

const HOSTS: &str = "/auth/salesforce/hosts";
const ORGS: &str = "/auth/salesforce/orgs";

/// As the documentation of `HtmlPage` has it.
fn own_design(page: &LoginPage) -> HtmlPage {
    let texts = page.texts();
    let mut html =
        HtmlPage::new().markup("<!doctype html><h1 class=\"own\">").text(&texts.title).markup("</h1>");
    html = html.choices(page, &texts);
    for action in page.actions() {
        html = html.action(action, texts.labels.get(action.kind()));
    }
    html
}

/// A form of a page.
#[derive(Debug)]
struct Form {
    method: String,
    action: String,
    fields: Vec<(String, String)>,
    html: String,
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let value = tag.split_once(&format!(" {name}=\""))?.1.split_once('"')?.0;
    Some(value.replace("&amp;", "&").replace("&quot;", "\"").replace("&#39;", "'"))
}

/// The forms of a page, with the fields that a browser sends without a choice of the user.
fn forms(page: &Page) -> Vec<Form> {
    assert!(page.body.contains("class=\"own\""), "{page:?}");
    let parts = page.body.split("<form").skip(1).map(|part| part.split_once("</form>").unwrap().0.to_owned());
    parts
        .map(|html| {
            let tag = format!(" {}", html.split_once('>').unwrap().0);
            let hidden = html.split("<input").skip(1).filter(|input| input.contains("type=\"hidden\""));
            let fields =
                hidden.map(|input| (attribute(input, "name").unwrap(), attribute(input, "value").unwrap()));
            Form {
                method: attribute(&tag, "method").unwrap(),
                action: attribute(&tag, "action").unwrap(),
                fields: fields.collect(),
                html: html.clone(),
            }
        })
        .collect()
}

/// Sends a form as a browser does, with a choice of the user, and goes where it leads.
async fn send(app: &TestApp, browser: &Client, form: &Form, choice: Option<(&str, &str)>) -> Page {
    let own = form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let fields: Vec<(&str, &str)> = own.chain(choice).collect();
    let url = app.url(&form.action);
    if form.method == "get" {
        let query: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        return browser.visit(&format!("{url}?{}", query.join("&"))).await;
    }
    let page = browser.submit(&url, &app.server.url, &fields).await;
    if page.is_redirect() { browser.visit(page.location().as_str()).await } else { page }
}

#[actix_web::test]
async fn the_choosers_of_an_own_design_log_in_add_switch_and_drop() {
    let sandbox = FakeOrg::start().await.unwrap();
    sandbox.sign_in(&sandbox.user("ben@example.com"));
    let org =
        FakeOrg::builder().client(&sandbox.client_id(), &sandbox.client_secret()).start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let (login, instance) = (sandbox.login_url(), sandbox.instance_url());
    let app = TestApp::around(org, |builder| {
        builder.login_host("sandbox", login).allowed_origin(instance).login_pages(own_design)
    })
    .await;
    let browser = Client::new();
    let chooser = forms(&browser.open(&app.url(&format!("{HOSTS}?return_to=/user"))).await);
    assert_eq!(chooser.len(), 1, "{chooser:?}");
    let own = chooser[0].html.split("value=\"").find(|part| part.starts_with("127.0.0.1")).unwrap();
    let own = own.split('"').next().unwrap();
    let page = send(&app, &browser, &chooser[0], Some(("host", own))).await;
    assert_eq!(page.json()["username"], ADA, "{page:?}");

    let chooser = forms(&browser.open(&app.url(&format!("{HOSTS}?add=1&return_to=/user"))).await);
    let page = send(&app, &browser, &chooser[0], Some(("host", "sandbox"))).await;
    assert_eq!(page.json()["username"], "ben@example.com", "{page:?}");

    let orgs = async || forms(&browser.open(&app.url(&format!("{ORGS}?return_to=/user"))).await);
    let has = |form: &&Form, name: &str| form.fields.iter().any(|(field, _)| field == name);
    let listed = orgs().await;
    let switch: Vec<_> = listed.iter().filter(|form| has(form, "switch")).collect();
    assert_eq!((switch.len(), listed.iter().filter(|form| has(form, "drop")).count()), (1, 2), "{listed:?}");
    assert_eq!(send(&app, &browser, switch[0], None).await.json()["username"], ADA);
    for _ in 0..2 {
        let listed = orgs().await;
        let drop = listed.iter().find(|form| has(form, "drop")).unwrap();
        let fields: Vec<_> =
            drop.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(browser.submit(&app.url(&drop.action), &app.server.url, &fields).await.status, 303);
    }
    assert_eq!(browser.fetch(&app.url("/user")).await.status, 401, "logged out of both");

    // The page of a link that adds an org has its button.
    browser.visit(&app.url(&format!("{LOGIN}?return_to=/user"))).await;
    let page = browser.open(&app.url(&format!("{LOGIN}?add=1&host=sandbox&return_to=/user"))).await;
    assert_eq!(send(&app, &browser, &forms(&page)[0], None).await.status, 200);
}
